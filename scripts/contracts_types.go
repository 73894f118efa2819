// Decodes samples with types that were generated from the schemas: the name of a file is the name of its type. What is
// encoded again has to be what was decoded.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// of returns a new value of the type for samples of a kind.
func of(kind string) any {
	switch kind {
	case "certificate_update":
		return new(CertificateUpdate)
	case "certificate_update_lite":
		return new(LiteCertificateUpdate)
	case "dns_entries":
		return new(DNSEntries)
	case "heartbeat":
		return new(Heartbeat)
	case "subscribed":
		return new(Subscribed)
	case "gap":
		return new(Gap)
	case "log_alert":
		return new(LogAlert)
	case "latest":
		return new(Latest)
	case "status":
		return new(Status)
	case "stats":
		return new(Stats)
	case "stats_admin":
		return new(AdminStats)
	case "ready":
		return new(Ready)
	case "health":
		return new(Health)
	case "kept_filter":
		return new(KeptFilter)
	case "error":
		return new(Error)
	case "invalid_parameter":
		return new(InvalidParameter)
	}
	return nil
}

// withoutEmpty removes empty lists that a type leaves out.
func withoutEmpty(sample []byte) (value map[string]any, err error) {
	if err = json.Unmarshal(sample, &value); err == nil {
		if matched, ok := value["matched"].([]any); ok && len(matched) == 0 {
			delete(value, "matched")
		}
	}
	return value, err
}

func check(kind string, sample []byte) error {
	message := of(kind)
	if message == nil {
		return fmt.Errorf("there is no type for it")
	}
	decoder := json.NewDecoder(bytes.NewReader(sample))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(message); err != nil {
		return err
	}
	again, err := json.Marshal(message)
	if err != nil {
		return err
	}
	before, err := withoutEmpty(sample)
	if err != nil {
		return err
	}
	after, err := withoutEmpty(again)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(before, after) {
		return fmt.Errorf("something was lost: %s", again)
	}
	return nil
}

func main() {
	files, _ := filepath.Glob(os.Args[1] + "/*.jsonl")
	count := 0
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			panic(err)
		}
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 64<<20)
		kind := strings.TrimSuffix(filepath.Base(name), ".jsonl")
		for lines.Scan() {
			if err := check(kind, lines.Bytes()); err != nil {
				fmt.Println(kind+":", err)
				os.Exit(1)
			}
			count++
		}
		if err := lines.Err(); err != nil {
			panic(err)
		}
	}
	fmt.Println("Go:", count, "samples decoded and encoded again")
}
