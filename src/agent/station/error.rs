//! Connection errors as text.

/// Why there is no answer.
pub(crate) fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::Io(error) => why(error),
        error => error.to_string(),
    }
}

/// An I/O error in as few words as it has.
pub(crate) fn why(error: &std::io::Error) -> String {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::TimedOut | Kind::WouldBlock => "no answer in time".to_owned(),
        Kind::UnexpectedEof => "the connection was closed".to_owned(),
        Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::BrokenPipe => error.kind().to_string(),
        _ => error.to_string(),
    }
}
