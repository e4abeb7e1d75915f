//! A small HTTP client: one request, one answer, for what is not measured.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// The body of the answer, whatever it says; `body`: POST this.
pub(crate) fn fetch(addr: &str, path: &str, body: Option<&str>) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (method, body) = body.map_or(("GET", ""), |body| ("POST", body));
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

/// The sum of all samples that begin so.
pub(crate) fn sum(text: &str, begin: &str) -> f64 {
    let samples = text.lines().filter(|line| line.starts_with(begin));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_with_any_labels_are_summed() {
        let text = "# HELP a b\na{x=\"1\"} 3\na{x=\"12\"} 4\nab 5\n";
        assert_eq!(sum(text, "a{"), 7.0);
    }
}
