//! Router advertisements over a cable: what a machine hears when it asks for a router.

use std::io::Read;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lab::cable::{self, Cable};
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::service::ServiceState;
use oxbow::inbox::{Input, inbox};
use oxbow::service::{ServiceContext, router_advert};

#[test]
fn a_machine_that_asks_for_a_router_is_answered_at_once() {
    match cable::role().as_deref() {
        Some("machine") => ask_for_a_router(),
        Some(machine) => tokio::runtime::Runtime::new().expect("a runtime").block_on(advertise(machine)),
        None => {
            let cable = Cable::lay("ra");
            cable::run_in(&cable.station, a_machine_that_asks_for_a_router_is_answered_at_once, &cable.client);
        }
    }
}

/// At the station's end: from an interface whose address is still being checked, until a machine has its answer.
async fn advertise(machine: &str) {
    let (inbox, mut outlet) = inbox();
    let (_, bench) = watch::channel(Arc::new(Snapshot::default()));
    let context = ServiceContext { inbox, bench, stop: CancellationToken::new() };
    let config = router_advert::RouterAdvertConfig { interface: "s0".into(), address: [10, 77, 0, 1].into() };
    let serving = tokio::spawn(router_advert::serve(context.clone(), config));
    let mut said = Vec::new();
    while said.last().is_none_or(|at| at != "s0") {
        match outlet.notes.recv().await {
            Some(Input::Service(status)) => match status.state {
                ServiceState::Up { at } => said.push(at),
                other => panic!("unexpected {other:?}"),
            },
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(said.len() == 1 || said == ["not needed: no IPv6 on s0", "s0"], "{said:?}");
    let machine = machine.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        cable::run_in(&machine, a_machine_that_asks_for_a_router_is_answered_at_once, "machine")
    });
    asked.await.expect("the machine is answered");
    context.stop.cancel();
    serving.await.expect("joins").expect("stops without a complaint");
}

/// At the machine's end: what iPXE does after its IPv4 lease.
fn ask_for_a_router() {
    let index = if_nametoindex("c0").expect("the cable's end");
    let mut socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).expect("a raw socket");
    socket.set_multicast_hops_v6(255).expect("hops");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out");
    let routers = SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2), 0, 0, index);
    let began = Instant::now();
    loop {
        // Not before this end has an address, a second or two after the cable.
        let _sent = socket.send_to(&[133, 0, 0, 0, 0, 0, 0, 0], &routers.into());
        let mut message = [0; 1500];
        let heard = socket.read(&mut message).map(|len| message[..len].to_vec()).unwrap_or_default();
        if heard.first() == Some(&134) {
            assert_eq!(heard.len(), 24);
            assert_eq!(heard[4..18], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], "it teaches nothing");
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(8), "no advertisement");
    }
}

#[tokio::test]
async fn an_interface_without_ipv6_is_no_fault() {
    let (inbox, mut outlet) = inbox();
    let (_, bench) = watch::channel(Arc::new(Snapshot::default()));
    let context = ServiceContext { inbox, bench, stop: CancellationToken::new() };
    let config = router_advert::RouterAdvertConfig { interface: "lo".into(), address: [127, 0, 0, 1].into() };
    let serving = tokio::spawn(router_advert::serve(context.clone(), config));
    let Some(Input::Service(status)) = outlet.notes.recv().await else { panic!("says nothing") };
    assert_eq!(status.state, ServiceState::Up { at: "not needed: no IPv6 on lo".into() });
    context.stop.cancel();
    serving.await.expect("joins").expect("stops without a complaint");
}
