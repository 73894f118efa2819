//! Converts the texts of OpenSSL 3 to the layout of OpenSSL 1.1 by adding the missing line feeds and labels.

/// The text that OpenSSL 1.1 prints for this text of OpenSSL 3.
pub fn of_1_1(extension: &str, text: &str) -> String {
    match extension {
        // 1.1 ends every line of a list of values with a line feed. 3 writes line feeds only between lines,
        // and labels a key identifier only if other fields follow it.
        "authorityKeyIdentifier" if is_hex(text) => format!("keyid:{text}\n"),
        "authorityKeyIdentifier" | "authorityInfoAccess" | "subjectInfoAccess" => {
            end_last_line(&text.split('\n').map(names).collect::<Vec<_>>().join("\n"))
        }
        "issuerAltName" | "certificateIssuer" => names(text),
        "nameConstraints" | "proxyCertInfo" => end_last_line(text),
        // 3 writes an empty line for a policy with an empty list of qualifiers, and for an empty notice.
        "certificatePolicies" => text.split('\n').filter(|line| !line.is_empty()).map(end_line).collect(),
        "crlDistributionPoints" | "freshestCRL" => points(text),
        "issuingDistributionPoint" => text.lines().map(end_line).collect(),
        "serviceLocator" => text.split('\n').map(end_address).collect::<Vec<_>>().join("\n"),
        _ => text.to_string(),
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
}

fn end_last_line(text: &str) -> String {
    if text.is_empty() || text == "<EMPTY>\n" { text.to_string() } else { format!("{text}\n") }
}

/// 1.1 begins each distribution point with an empty line. 3 writes one only between points, and none after a
/// CRL issuer.
fn points(text: &str) -> String {
    let mut out = String::from("\n");
    let mut in_issuer = false;
    for line in text.lines() {
        if in_issuer && !line.starts_with("  ") {
            out.push('\n');
        }
        in_issuer = line == "CRL Issuer:" || in_issuer && line.starts_with("  ");
        out.push_str(&end_line(line));
    }
    out
}

fn end_line(line: &str) -> String {
    end_address(line) + "\n"
}

/// 1.1 writes a line feed after an IPv6 address that it prints separately.
fn end_address(line: &str) -> String {
    let is_ipv6 =
        line.split_once("IP Address:").is_some_and(|(_, address)| address.matches(':').count() == 7);
    if is_ipv6 { format!("{line}\n") } else { line.to_string() }
}

/// Converts the output of `X509_NAME_oneline` of 3 to that of 1.1. 3 writes `+` before the further values of
/// an RDN, and a backslash before a slash or a plus sign within a value.
pub fn one_line(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, rest.peek()) {
            ('\\', Some(escaped @ ('/' | '+'))) => {
                out.push(*escaped);
                rest.next();
            }
            ('+', _) => out.push('/'),
            _ => out.push(character),
        }
    }
    out
}

/// The same for each directory name in a list of names.
pub fn names(text: &str) -> String {
    const OTHER_KINDS: [&str; 8] = [
        "email:",
        "DNS:",
        "URI:",
        "IP Address:",
        "Registered ID:",
        "othername",
        "X400Name:",
        "EdiPartyName:",
    ];
    let mut out = Vec::new();
    let mut in_directory_name = false;
    for chunk in text.split(", ") {
        if OTHER_KINDS.iter().any(|kind| chunk.starts_with(kind)) {
            in_directory_name = false;
        }
        let start = if in_directory_name { Some(0) } else { chunk.find("DirName:/") };
        in_directory_name = start.is_some();
        let (before, name) = chunk.split_at(start.unwrap_or(chunk.len()));
        out.push(format!("{before}{}", one_line(name)));
    }
    out.join(", ")
}
