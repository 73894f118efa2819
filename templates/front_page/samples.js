// ---- samples for this very host, and for what the page shows

// An address of the stream with the filter that the page has. The page's own token is not shown to anybody.
function sampleAddress(path, parameters, isSocket) {
  const url = new URL(path, base);
  if (isSocket) url.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
  const query = queryOf([...parameters, ...applied ?? [], ...token ? [['token', 'YOUR_TOKEN']] : []]);
  return url.href + (query && `?${query}`);
}

function samples() {
  const url = path => sampleAddress(path, [], true);
  const http = (path, stream) => sampleAddress(path, [['stream', stream]], false);
  return {
    Python: `# pip install certstream
import certstream

def show(message, context):
    if message["message_type"] == "certificate_update":
        print(message["data"]["leaf_cert"]["all_domains"])

certstream.listen_for_events(show, url="${url('./')}")`,
    JavaScript: `// a browser, or Node 22 and later
const socket = new WebSocket('${url(FEED)}');
socket.onmessage = event => {
  const { data } = JSON.parse(event.data);
  if (data) console.log(data.leaf_cert ? data.leaf_cert.all_domains : data);
};`,
    Go: `package main

import (
	"fmt"
	"log"

	"github.com/gorilla/websocket"
)

func main() {
	conn, _, err := websocket.DefaultDialer.Dial("${url('domains-only')}", nil)
	if err != nil {
		log.Fatal(err)
	}
	for {
		var message struct {
			MessageType string \`json:"message_type"\`
			Data        any    \`json:"data"\`
		}
		if err := conn.ReadJSON(&message); err != nil {
			log.Fatal(err)
		}
		if message.MessageType == "dns_entries" {
			fmt.Println(message.Data)
		}
	}
}`,
    Rust: `// tokio = { version = "1", features = ["full"] }, tokio-tungstenite, futures-util, serde_json
use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let any_size = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let (mut socket, _) =
        tokio_tungstenite::connect_async_with_config("${url('domains-only')}", Some(any_size), false).await?;
    while let Some(frame) = socket.next().await {
        if let Ok(message) = serde_json::from_str::<serde_json::Value>(&frame?.into_text()?) {
            if message["message_type"] == "dns_entries" {
                println!("{}", message["data"]);
            }
        }
    }
    Ok(())
}`,
    Shell: `websocat -n -B 16777216 '${url('lite-stream')}' | jq -r '.data.leaf_cert.all_domains[]?'

curl -sN '${http('sse', 'domains')}'
${curlSample()}`,
    curl: curlSample(),
  };
}

// What the page shows, as lines of JSON.
const curlSample = () => `curl -sN '${sampleAddress('ndjson', [['stream', STREAM]], false)}'`;

function makeTabs() {
  const tabs = Object.keys(samples()).filter(name => name !== 'curl').map(name => {
    const tab = document.createElement('button');
    Object.assign(tab, { type: 'button', id: `tab-${name}`, textContent: name });
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', 'sample');
    tab.onclick = () => select(tab);
    return tab;
  });
  const select = chosen => {
    for (const tab of tabs) {
      tab.setAttribute('aria-selected', tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
    }
    $('sample').setAttribute('aria-labelledby', chosen.id);
    $('code').textContent = samples()[chosen.textContent]; // they say where a token goes, once there is one
  };
  $('tabs').append(...tabs);
  $('tabs').onkeydown = event => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    select(tab);
    tab.focus();
  };
  select(tabs[0]);
}

// Shows the chosen sample again, because the filter has changed or there is a token now.
function showSample() {
  document.querySelector('#tabs [aria-selected=true]').click();
}

// Copies `text`, and says so on the button.
async function offer(text, button) {
  const label = button.dataset.label ??= button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    // Browsers keep the clipboard from pages without TLS: the text is selected, to be copied by hand.
    const code = $('details').open ? $('open-link') : $('code');
    code.hidden = false;
    code.textContent = text;
    code.scrollIntoView({ block: 'nearest' });
    getSelection().selectAllChildren(code);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = label; }, 3000);
}
