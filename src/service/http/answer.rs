//! Small answers that every route gives.

use std::net::{IpAddr, Ipv4Addr};

use http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Reply as _};

use crate::service::http::Peer;

/// The IPv4 address at the other end.
pub(super) fn peer() -> impl Filter<Extract = (Ipv4Addr,), Error = warp::Rejection> + Clone {
    warp::ext::get::<Peer>().map(ipv4)
}

pub(super) fn ipv4(peer: Peer) -> Ipv4Addr {
    match peer.address.ip() {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => address.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED),
    }
}

/// A plain sentence as an answer.
pub(super) fn said(status: StatusCode, sentence: &str) -> Response {
    warp::reply::with_status(format!("{sentence}\n"), status).into_response()
}
