// Listens as github.com/CaliDog/certstream-go does: smoke_certstream URL SECONDS
//
// On the wire and with the data, this does what the version of 2022 does, with the same WebSocket library: it dials without
// further headers, reads each message with a deadline of 15 s, decodes it without types, and looks only at `message_type`; after
// an error it dials again at once, and if that fails, every 5 s. A ping goes out every 15 s there, and every 2 s here. Its users
// then ask for members by path and type, as `certstream-go`'s README shows them: each is asked for here.
//
// Exit status 0 if every message has every member with its type, none was missing, also over a restart of the server, pings
// were answered, and heartbeats came.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	readDeadline = 15 * time.Second
	redialPause  = 5 * time.Second
)

// A query of one message: it remembers the first member that is not as expected.
type query struct {
	message any
	fault   string
}

// at returns what is at a path; nil if there is nothing.
func (q *query) at(path ...string) (value any) {
	value = q.message
	for _, name := range path {
		object, isObject := value.(map[string]any)
		if !isObject {
			return nil
		}
		value = object[name]
	}
	return value
}

func check[T any](q *query, path ...string) (value T) {
	value, isRight := q.at(path...).(T)
	if !isRight && q.fault == "" {
		q.fault = fmt.Sprintf("%v is a %T in place of a %T", path, q.at(path...), value)
	}
	return value
}

// texts fails if an element of an array is no text.
func (q *query) texts(path ...string) {
	for _, value := range check[[]any](q, path...) {
		if _, isText := value.(string); !isText && q.fault == "" {
			q.fault = fmt.Sprintf("%v has a %T", path, value)
		}
	}
}

// certificate asks for what the README shows of the leaf certificate and of those of the chain.
func (q *query) certificate() {
	for _, name := range []string{"aggregated", "C", "ST", "L", "O", "OU", "CN"} {
		if value := q.at("subject", name); name == "aggregated" || value != nil {
			check[string](q, "subject", name)
		}
	}
	for name := range check[map[string]any](q, "extensions") {
		// The one that is no text: the README does not know it.
		if name == "ctlPoisonByte" {
			check[bool](q, "extensions", name)
		} else {
			check[string](q, "extensions", name)
		}
	}
	check[float64](q, "not_before")
	check[float64](q, "not_after")
	check[string](q, "as_der")
}

func (q *query) update() {
	check[string](q, "data", "update_type")
	leaf := query{message: q.at("data", "leaf_cert")}
	leaf.certificate()
	leaf.texts("all_domains")
	for _, message := range check[[]any](q, "data", "chain") {
		if issuer := (query{message: message}); leaf.fault == "" {
			issuer.certificate()
			leaf.fault = issuer.fault
		}
	}
	if q.fault == "" {
		q.fault = leaf.fault
	}
	check[float64](q, "data", "seen")
	check[string](q, "data", "source", "name")
}

type report struct {
	Client      string   `json:"client"`
	Updates     int      `json:"certificate_updates"`
	Heartbeats  int      `json:"heartbeats"`
	Connections int      `json:"connections"`
	Pongs       int64    `json:"pongs"`
	Faults      []string `json:"faults"`
	due         map[string]float64
}

func (r *report) fault(format string, arguments ...any) {
	if len(r.Faults) < 5 {
		r.Faults = append(r.Faults, fmt.Sprintf(format, arguments...))
	}
}

func (r *report) take(message any) {
	q := query{message: message}
	switch kind := check[string](&q, "message_type"); kind {
	case "heartbeat":
		r.Heartbeats++
		check[float64](&q, "timestamp")
	case "certificate_update":
		r.Updates++
		q.update()
		log, index := check[string](&q, "data", "source", "url"), check[float64](&q, "data", "cert_index")
		if due, isKnown := r.due[log]; isKnown && due != index {
			r.fault("%s: index %v where %v was due", log, index, due)
		}
		r.due[log] = index + 1
	default:
		r.fault("a message of type %q", kind)
	}
	if q.fault != "" {
		r.fault("%s", q.fault)
	}
}

// listen reads one connection until it ends or the time is over.
func (r *report) listen(conn *websocket.Conn, end time.Time) {
	defer conn.Close()
	conn.SetPongHandler(func(string) error {
		atomic.AddInt64(&r.Pongs, 1)
		return nil
	})
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-time.After(2 * time.Second):
				conn.WriteMessage(websocket.PingMessage, nil)
			case <-done:
				return
			}
		}
	}()
	for time.Now().Before(end) {
		conn.SetReadDeadline(time.Now().Add(readDeadline))
		_, text, err := conn.ReadMessage()
		if err != nil {
			if !websocket.IsCloseError(err, websocket.CloseGoingAway) {
				r.fault("the connection ended: %v", err)
			}
			return
		}
		var message any
		if err := json.Unmarshal(text, &message); err != nil {
			r.fault("a message is no JSON: %v", err)
		}
		r.take(message)
	}
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		panic(err)
	}
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	r := report{Client: "as certstream-go, with gorilla/websocket", Faults: []string{}, due: map[string]float64{}}
	for time.Now().Before(end) {
		conn, _, err := websocket.DefaultDialer.Dial(os.Args[1], nil)
		if err != nil {
			time.Sleep(redialPause)
			continue
		}
		r.Connections++
		r.listen(conn, end)
	}
	if r.Updates < 300 || r.Heartbeats < 3 || r.Pongs < 3 || len(r.due) != 2 || r.Connections != 2 {
		r.fault("too few messages, heartbeats or pongs, not two logs, or not two connections")
	}
	text, _ := json.Marshal(r)
	fmt.Println(string(text))
	if len(r.Faults) > 0 {
		os.Exit(1)
	}
}
