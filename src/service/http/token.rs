//! Who may read the bench's state by HTTP: clients on the workstation itself, and clients with the station's token.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::Peer;
use super::answer::said;

/// What a reader elsewhere must show.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// The one in `file`, which is made, for its owner alone, if there is none. A person may write another into it; it
    /// counts from the next start on.
    pub fn open(file: &Path) -> io::Result<Self> {
        match fs::read_to_string(file) {
            Ok(token) if token.trim().len() >= SHORTEST => return Ok(Self(token.trim().into())),
            Ok(_) => return Err(io::Error::other(format!("it has fewer than {SHORTEST} characters"))),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(err),
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|err| io::Error::other(err.to_string()))?;
        let token: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
        // It has its name only once it is whole: half of one would be refused at every start.
        let unfinished = file.with_extension("new");
        let mut fresh = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        writeln!(fresh, "{token}")?;
        fresh.sync_all()?;
        fs::rename(unfinished, file)?;
        Ok(Self(token.into()))
    }

    /// Whether these are its letters. It takes the same time whatever is wrong.
    fn is(&self, given: &str) -> bool {
        self.0.len() == given.len() && openssl::memcmp::eq(self.0.as_bytes(), given.as_bytes())
    }
}

/// Why a request from `peer` to a station at `own` is not answered; none if it is.
pub(super) fn refusal(token: Option<&Token>, own: IpAddr, peer: Peer, headers: &HeaderMap) -> Option<Response> {
    if peer.address.ip().to_canonical() == own.to_canonical() {
        return None;
    }
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.split_once(' '));
    let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let why = match (token, shown) {
        (Some(token), Some(shown)) if token.is(shown) => return None,
        (Some(_), Some(_)) => "this is not the station's token: it is in the file api-token of its data directory",
        (Some(_), None) => {
            "this needs the station's token, as `Authorization: Bearer TOKEN`: it is in the file api-token of its data directory"
        }
        (None, _) => "this station has no token: see its log",
    };
    // Whoever reaches the station can ask: its log is not theirs to fill.
    tracing::debug!(peer = %peer.address, "refused to read the bench's state");
    let mut response = said(StatusCode::UNAUTHORIZED, why);
    response.headers_mut().insert(http::header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
    Some(response)
}

/// Characters of a token that a person chose.
const SHORTEST: usize = 16;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn asks(token: Option<&Token>, from: &str, shown: Option<&str>) -> Option<StatusCode> {
        let address: SocketAddr = from.parse().expect("an address");
        let mut headers = HeaderMap::new();
        shown.map(|shown| headers.insert(AUTHORIZATION, shown.parse().expect("a header")));
        let own = "10.77.0.1".parse().expect("an address");
        refusal(token, own, Peer { address, by_https: false }, &headers).map(|refused| refused.status())
    }

    #[test]
    fn a_token_for_which_the_disk_had_no_room_is_made_once_there_is_some() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let (file, unfinished) = (directory.path().join("api-token"), directory.path().join("api-token.new"));
        std::os::unix::fs::symlink("/dev/full", &unfinished).expect("a disk without room");
        assert_eq!(Token::open(&file).expect_err("no room").kind(), io::ErrorKind::StorageFull);
        assert!(!file.exists());
        fs::remove_file(&unfinished).expect("it is there");
        fs::write(&unfinished, "half of o").expect("room");
        assert_eq!(Token::open(&file).expect("a whole one").0.len(), 64);
    }

    #[test]
    fn who_sits_elsewhere_shows_the_token_that_the_station_made() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("api-token");
        let token = Token::open(&file).expect("a new one");
        assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&file).expect("the token");
        assert_eq!(text.trim().len(), 64);
        assert_eq!(Token::open(&file).expect("the same").0, token.0);

        let refused = Some(StatusCode::UNAUTHORIZED);
        let shown = format!("Bearer {}", text.trim());
        assert_eq!(asks(Some(&token), "10.77.0.1:5000", None), None, "the workstation itself");
        assert_eq!(asks(Some(&token), "[::ffff:10.77.0.1]:5000", None), None);
        assert_eq!(asks(Some(&token), "10.77.0.9:5000", Some(&shown)), None);
        for wrong in [None, Some("Bearer "), Some("Basic abc"), Some(&shown[..shown.len() - 1])] {
            assert_eq!(asks(Some(&token), "10.77.0.9:5000", wrong), refused, "{wrong:?}");
        }
        assert_eq!(asks(None, "10.77.0.9:5000", Some(&shown)), refused, "without a token nobody elsewhere reads");
    }

    #[test]
    fn a_token_that_could_be_guessed_is_not_taken() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("api-token");
        fs::write(&file, "secret\n").expect("a file");
        assert!(Token::open(&file).is_err());
    }
}
