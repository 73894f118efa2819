// ---- samples for this very host

function samples() {
  const url = path => {
    const plain = new URL(path, base);
    plain.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
    return plain.href + (token ? '?token=YOUR_TOKEN' : '');
  };
  const http = path => new URL(path, base).href + (token ? (path.includes('?') ? '&' : '?') + 'token=YOUR_TOKEN' : '');
  return {
    Python: `# pip install certstream
import certstream

def show(message, context):
    if message["message_type"] == "certificate_update":
        print(message["data"]["leaf_cert"]["all_domains"])

certstream.listen_for_events(show, url="${url('./')}")`,
    JavaScript: `// a browser, or Node 22 and later
const socket = new WebSocket('${url('lite-stream')}');
socket.onmessage = event => {
  const message = JSON.parse(event.data);
  if (message.message_type === 'certificate_update') console.log(message.data.leaf_cert.all_domains);
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

curl -sN '${http('sse?stream=domains')}'
curl -s '${http('latest.json')}' | jq -r '.messages[].data.leaf_cert.all_domains[]'`,
  };
}

function makeTabs() {
  const tabs = Object.keys(samples()).map(name => {
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
    $('copy').textContent = 'Copy';
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

async function copy() {
  try {
    await navigator.clipboard.writeText($('code').textContent);
    $('copy').textContent = 'Copied';
  } catch {
    // Browsers keep the clipboard from pages without TLS: the text is selected, to be copied by hand.
    getSelection().selectAllChildren($('code'));
    $('copy').textContent = 'Selected';
  }
}
