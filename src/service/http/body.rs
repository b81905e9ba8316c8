//! A file, or part of it, as an HTTP answer: slices of a mapping, no copy.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use http::{HeaderValue, Response, StatusCode};
use warp::Reply;

use super::range::{self, BodyRange};
use super::throttle::{self, Sending};

/// Answers a GET or HEAD for a file of this content. `tag` names the content and is its ETag.
pub(super) fn file(
    content: &Bytes,
    tag: &str,
    content_type: &'static str,
    headers: &HeaderMap,
    sending: Sending,
) -> warp::reply::Response {
    let tag = format!("\"{tag}\"");
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if header(IF_NONE_MATCH).is_some_and(|known| known.contains(&tag)) {
        return with(Response::new(Bytes::new()), StatusCode::NOT_MODIFIED, &tag);
    }
    // A range of what the file was before it was replaced would not fit what the client has.
    let same_file = header(IF_RANGE).is_none_or(|known| known == tag);
    let length = content.len() as u64;
    match range::wanted(header(RANGE).filter(|_| same_file), length) {
        BodyRange::Whole => sliced(content.clone(), StatusCode::OK, &tag, content_type, None, sending),
        BodyRange::Some(range) => {
            let part = content.slice(to_index(range.start)..to_index(range.end));
            let said = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            sliced(part, StatusCode::PARTIAL_CONTENT, &tag, content_type, Some(said), sending)
        }
        BodyRange::Unsatisfiable => {
            let mut response = with(Response::new(Bytes::new()), StatusCode::RANGE_NOT_SATISFIABLE, &tag);
            insert(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{length}"));
            response
        }
    }
}

fn sliced(
    content: Bytes,
    status: StatusCode,
    tag: &str,
    content_type: &'static str,
    range: Option<String>,
    sending: Sending,
) -> warp::reply::Response {
    let length = content.len();
    let mut response = warp::reply::stream(throttle::stream(content, SLICE, sending)).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(headers, ETAG, tag);
    if let Some(range) = range {
        insert(headers, CONTENT_RANGE, &range);
    }
    response
}

fn with(response: Response<Bytes>, status: StatusCode, tag: &str) -> warp::reply::Response {
    let mut response = response.map(Into::into);
    *response.status_mut() = status;
    insert(response.headers_mut(), ETAG, tag);
    response
}

fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A range lies within the content, whose length is a `usize`.
fn to_index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// Large enough that a hop costs nothing, small enough that hundreds of transfers share the line fairly.
const SLICE: usize = 256 * 1024;
