//! The bodies of requests: the messages themselves, or a text for a chat service. Pure.

use crate::config::Template;
use crate::printable::escaped;
use serde_json::{Value, json};

/// Maximum number of names of a certificate in a text.
const MAX_NAMES: usize = 5;
/// Maximum number of characters of each, and of other texts from certificates and logs.
const MAX_CHARS: usize = 80;
/// The body with the first ones of `messages` for the output `name`, and how many they are: at least one if there are any.
pub(super) fn body(template: Template, name: &str, messages: &[&[u8]]) -> (Vec<u8>, usize) {
    // Slack shortens texts of more than 4,000 characters, Discord refuses those of more than 2,000, and Teams accepts 28 KB.
    let most = match template {
        Template::Json => return (whole(name, messages), messages.len()),
        Template::Slack => 3900,
        Template::Discord => 1900,
        Template::Teams => 6000,
    };
    let (text, count) = text(template, name, messages, most);
    let value = match template {
        Template::Slack | Template::Json => json!({ "text": text }),
        // Otherwise a name such as @everyone would notify people.
        Template::Discord => json!({ "content": text, "allowed_mentions": { "parse": [] } }),
        Template::Teams => card(&text),
    };
    (value.to_string().into_bytes(), count)
}

fn whole(name: &str, messages: &[&[u8]]) -> Vec<u8> {
    let mut body = format!(r#"{{"output":{},"messages":["#, json!(name)).into_bytes();
    body.extend(messages.join(&b','));
    body.extend_from_slice(b"]}");
    body
}

/// An adaptive card, as the workflows of Microsoft Teams expect it.
fn card(text: &str) -> Value {
    let block = json!({ "type": "TextBlock", "text": text, "wrap": true });
    let card = json!({ "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard",
        "version": "1.4", "body": [block] });
    json!({ "type": "message", "attachments":
        [{ "contentType": "application/vnd.microsoft.card.adaptive", "content": card }] })
}

/// A line for each message, as far as they have `most` characters together, and their number. A single line is always
/// shorter, even if Slack's entities make each character five.
fn text(template: Template, name: &str, messages: &[&[u8]], most: usize) -> (String, usize) {
    let mut lines: Vec<String> = Vec::new();
    let mut length = 0;
    for message in messages {
        let line = line(template, message);
        length += line.chars().count() + 1;
        if length > most && !lines.is_empty() {
            break;
        }
        lines.push(line);
    }
    let count = lines.len();
    let plural = if count == 1 { "" } else { "s" };
    (format!("{}: {count} message{plural}\n{}", plain(template, name), lines.join("\n")), count)
}

fn line(template: Template, message: &[u8]) -> String {
    let message: Value = serde_json::from_slice(message).unwrap_or_default();
    let at = |pointer: &str| message.pointer(pointer).unwrap_or(&Value::Null);
    let plain = |text: &Value| plain(template, text.as_str().unwrap_or("?"));
    match at("/message_type").as_str() {
        Some("certificate_update") => {
            let issuer = ["O", "CN"].map(|name| format!("/data/leaf_cert/issuer/{name}"));
            let issuer = issuer.iter().map(|pointer| at(pointer)).find(|name| name.is_string());
            let names = names(template, at("/data/leaf_cert/all_domains"));
            let (issuer, log) = (plain(issuer.unwrap_or(&Value::Null)), plain(at("/data/source/name")));
            format!("\u{2022} {names} by {issuer}, in {log}")
        }
        Some("dns_entries") => format!("\u{2022} {}", names(template, at("/data"))),
        Some("gap") => {
            format!("\u{2022} the entries {} to {} are missing", at("/from_seq"), at("/to_seq"))
        }
        _ => format!("\u{2022} {}", plain(at("/message_type"))),
    }
}

fn names(template: Template, names: &Value) -> String {
    let all = names.as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = all.iter().take(MAX_NAMES).filter_map(Value::as_str).map(|name| code(template, name));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match all.len() {
        0 => "a certificate without names".into(),
        count if count > MAX_NAMES => format!("{shown} and {} more", count - MAX_NAMES),
        _ => shown,
    }
}

/// A name that no chat service makes a link, a mention or markup of.
fn code(template: Template, name: &str) -> String {
    let name = escaped(name, MAX_CHARS).replace('`', "'");
    format!("`{}`", entities(template, &name))
}

/// A text without markup.
fn plain(template: Template, text: &str) -> String {
    let text = entities(template, &escaped(text, MAX_CHARS));
    let is_markup = |c: char| "*_~`|[]()\\#>".contains(c) && template != Template::Slack;
    text.chars().map(|c| if is_markup(c) { ' ' } else { c }).collect()
}

/// Slack's control characters as entities.
fn entities(template: Template, text: &str) -> String {
    match template {
        Template::Slack => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(names: &[&str]) -> Vec<u8> {
        let message = json!({ "message_type": "certificate_update", "data": {
            "leaf_cert": { "all_domains": names, "issuer": { "O": "Let's *Encrypt* <b>", "CN": "R3" } },
            "source": { "name": "A log" } }, "seq": 1_795_460_507_000_000_u64 });
        message.to_string().into_bytes()
    }

    fn parsed(template: Template, messages: &[&[u8]]) -> Value {
        let (body, count) = body(template, "brands", messages);
        assert_eq!(count, messages.len());
        serde_json::from_slice(&body).expect("JSON")
    }

    #[test]
    fn the_messages_are_sent_as_they_are() {
        let (one, two) = (update(&["a.example"]), br#"{"message_type":"gap","dropped":1}"#);
        let body = parsed(Template::Json, &[&one, two]);
        assert_eq!(body["output"], "brands");
        assert_eq!(body["messages"][0], serde_json::from_slice::<Value>(&one).unwrap());
        assert_eq!(body["messages"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_text_names_what_was_logged_and_is_no_markup() {
        let one = update(&["a.example", "<!channel>", "x`y"]);
        let slack = parsed(Template::Slack, &[&one]);
        assert_eq!(
            slack["text"],
            "brands: 1 message\n\u{2022} `a.example`, `&lt;!channel&gt;`, `x'y` by Let's *Encrypt* &lt;b&gt;, in A log"
        );
        let discord = parsed(Template::Discord, &[&one]);
        assert_eq!(
            discord["content"],
            "brands: 1 message\n\u{2022} `a.example`, `<!channel>`, `x'y` by Let's  Encrypt  <b , in A log"
        );
        assert_eq!(discord["allowed_mentions"]["parse"], json!([]));
        let teams = parsed(Template::Teams, &[&one]);
        assert_eq!(teams["attachments"][0]["content"]["body"][0]["text"], discord["content"]);
    }

    #[test]
    fn a_text_is_never_too_long_and_what_does_not_fit_is_left_for_the_next() {
        let names: Vec<_> = (0..100).map(|i| format!("{}{i}.example", "n".repeat(200))).collect();
        let one = update(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for (template, member, most) in
            [(Template::Discord, "content", 2000), (Template::Slack, "text", 4000)]
        {
            let messages = vec![&one[..]; 50];
            let (body, count) = body(template, "brands", &messages);
            let text = serde_json::from_slice::<Value>(&body).unwrap()[member].as_str().unwrap().to_string();
            assert!(text.chars().count() <= most, "{} characters", text.chars().count());
            assert!(count > 1 && text.starts_with(&format!("brands: {count} messages\n")), "{text}");
            assert_eq!(text.lines().count(), 1 + count);
        }
    }

    #[test]
    fn other_messages_have_a_line_too() {
        let text = parsed(Template::Slack, &[br#"{"message_type":"gap","from_seq":5,"to_seq":6}"#, b"junk"]);
        assert_eq!(text["text"], "brands: 2 messages\n\u{2022} the entries 5 to 6 are missing\n\u{2022} ?");
    }
}
