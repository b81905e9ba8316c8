//! A transfer against clients that lose, double and give up.

use proptest::prelude::*;

use super::*;

fn asked(options: TftpOptions) -> ReadRequest {
    ReadRequest { file: "a".into(), options }
}

fn windowed(blksize: u16, windowsize: u16) -> TftpOptions {
    TftpOptions { blksize: Some(blksize), windowsize: Some(windowsize), ..TftpOptions::default() }
}

fn content(size: usize) -> Bytes {
    (0..size).map(|at| (at % 251) as u8 ^ (at / 251) as u8).collect()
}

fn ack(block: u16) -> Vec<u8> {
    [[0, 4], block.to_be_bytes()].concat()
}

/// A transfer whose options have been agreed.
fn begun(options: TftpOptions, size: usize) -> (Transfer, Turn) {
    let (mut transfer, _oack) = Transfer::start(&asked(options), content(size));
    let turn = transfer.on_packet(&ack(0));
    (transfer, turn)
}

fn bytes(packet: &TftpPacket) -> Vec<u8> {
    packet.parts().concat()
}

/// The numbers of the DATA packets in a turn.
fn blocks(turn: &Turn) -> Vec<u16> {
    turn.send.iter().map(bytes).map(|packet| u16::from_be_bytes([packet[2], packet[3]])).collect()
}

/// What a machine does with packets. `lose` says whether the next one is lost, in either direction.
fn receive(options: TftpOptions, size: usize, mut lose: impl FnMut() -> bool) -> (Vec<u8>, TransferEnd) {
    let (mut transfer, mut turn) = Transfer::start(&asked(options), content(size));
    let window = transfer.window;
    let (mut got, mut next, mut unacked) = (Vec::new(), 1_u64, 0_u64);
    loop {
        let mut answer = None;
        for packet in turn.send.drain(..).map(|packet| bytes(&packet)).filter(|_| !lose()) {
            match packet[1] {
                6 => answer = Some(0),
                3 if packet[2..4] == low_bits(next).to_be_bytes() => {
                    got.extend_from_slice(&packet[4..]);
                    unacked += 1;
                    if unacked == window || packet.len() - 4 < transfer.blksize {
                        answer = Some(low_bits(next));
                        unacked = 0;
                    }
                    next += 1;
                }
                3 => {
                    answer = Some(low_bits(next - 1));
                    unacked = 0;
                }
                other => panic!("packet of kind {other}"),
            }
        }
        turn = match answer.filter(|_| !lose()) {
            Some(block) => transfer.on_packet(&ack(block)),
            None => transfer.on_timeout(),
        };
        if turn.send.is_empty() && turn.end.is_none() {
            turn = transfer.on_timeout();
        }
        if let Some(end) = turn.end {
            return (got, end);
        }
    }
}

#[test]
fn without_options_blocks_of_512_follow_at_once() {
    let (mut transfer, turn) = Transfer::start(&asked(TftpOptions::default()), content(1024));
    assert_eq!((blocks(&turn), turn.send[0].size()), (vec![1], 516));
    assert_eq!(blocks(&transfer.on_packet(&ack(1))), [2]);
    let last = transfer.on_packet(&ack(2));
    assert_eq!((blocks(&last), last.send[0].size()), (vec![3], 4), "an empty block ends a file of full ones");
    assert_eq!(transfer.on_packet(&ack(3)).end, Some(TransferEnd::Done { bytes: 1024 }));
}

#[test]
fn options_are_confirmed_as_far_as_they_hold() {
    let options = TftpOptions { blksize: Some(65464), tsize: true, timeout: Some(3), windowsize: Some(65535) };
    let (_, turn) = Transfer::start(&asked(options), content(70_000));
    let oack = b"\0\x06blksize\x001468\0tsize\x0070000\0timeout\x003\0windowsize\x0064\0";
    assert_eq!(turn.send, [TftpPacket::Other(oack.to_vec())]);
    assert_eq!(turn.wait, Some(Duration::from_secs(3)));
    let (_, turn) = Transfer::start(&asked(TftpOptions { tsize: true, ..TftpOptions::default() }), content(9));
    assert_eq!(turn.send, [TftpPacket::Other(b"\0\x06tsize\x009\0".to_vec())], "nothing that was not asked for");
}

#[test]
fn a_probe_for_the_size_is_no_failure() {
    let (mut transfer, _) = Transfer::start(&asked(TftpOptions { tsize: true, ..windowed(1468, 4) }), content(9));
    assert_eq!(transfer.on_packet(b"\0\x05\0\x08User aborted the transfer\0").end, Some(TransferEnd::Probed));
    let (mut transfer, _) = Transfer::start(&asked(TftpOptions { tsize: true, ..TftpOptions::default() }), content(9));
    assert_eq!(transfer.on_refused().end, Some(TransferEnd::Probed));
}

#[test]
fn giving_up_in_the_middle_is_told_with_the_machines_words() {
    let (mut transfer, _) = begun(windowed(8, 1), 100);
    let fault = Fault { code: 3, message: "disk full".into() };
    assert_eq!(transfer.on_packet(b"\0\x05\0\x03disk full\0").end, Some(TransferEnd::Aborted(fault)));
}

#[test]
fn only_failures_are_told_as_failures() {
    let fault = Fault { code: 3, message: "disk full".into() };
    assert_eq!(TransferEnd::Probed.outcome(), None);
    assert_eq!(TransferEnd::Done { bytes: 7 }.outcome(), Some(event::LoaderTransfer::Done { bytes: 7 }));
    assert_eq!(
        TransferEnd::Aborted(fault).outcome(),
        Some(failed("the machine gave up: disk full (TFTP error 3)".into()))
    );
    assert_eq!(
        TransferEnd::Lost { sent: 512 }.outcome(),
        Some(failed("the machine stopped answering after 512 bytes".into()))
    );
}

#[test]
fn a_lost_first_answer_is_sent_again_when_asked_again() {
    let (mut transfer, first) = Transfer::start(&asked(windowed(8, 1)), content(100));
    assert_eq!(transfer.on_asked_again().send, first.send);
    let _ = transfer.on_packet(&ack(0));
    assert_eq!(blocks(&transfer.on_asked_again()), [1]);
    let _ = transfer.on_packet(&ack(1));
    assert_eq!(transfer.on_asked_again(), Turn::default(), "an old request that came late");
}

#[test]
fn in_lock_step_a_doubled_acknowledgement_doubles_nothing() {
    let (mut transfer, _) = begun(windowed(8, 1), 100);
    assert_eq!(blocks(&transfer.on_packet(&ack(1))), [2]);
    assert_eq!(transfer.on_packet(&ack(1)), Turn::default());
    assert_eq!(transfer.on_packet(&ack(0)), Turn::default(), "nor an old one");
    assert_eq!(transfer.on_packet(&ack(7)), Turn::default(), "nor one for what was never sent");
}

#[test]
fn a_gap_in_a_window_is_filled_at_once() {
    let (mut transfer, first) = begun(windowed(8, 4), 100);
    assert_eq!(blocks(&first), [1, 2, 3, 4]);
    assert_eq!(blocks(&transfer.on_packet(&ack(2))), [3, 4, 5, 6], "3 was lost");
    assert_eq!(blocks(&transfer.on_packet(&ack(2))), [3, 4, 5, 6], "and again: 3 was the window's first");
    assert_eq!(transfer.on_packet(&ack(2)), Turn::default(), "but once only");
    assert_eq!(blocks(&transfer.on_packet(&ack(6))), [7, 8, 9, 10]);
    assert_eq!(transfer.on_packet(&ack(6)), Turn::default(), "an echo of the last window sent twice");
    assert_eq!(blocks(&transfer.on_packet(&ack(10))), [11, 12, 13]);
    assert_eq!(transfer.on_packet(&ack(13)).end, Some(TransferEnd::Done { bytes: 100 }));
}

#[test]
fn a_network_that_doubles_every_acknowledgement_costs_at_most_half_again() {
    let (mut transfer, first) = begun(windowed(8, 16), 80_000);
    let mut sent = first.send.len();
    loop {
        let up_to = ack(low_bits(transfer.sent));
        let (once, twice) = (transfer.on_packet(&up_to), transfer.on_packet(&up_to));
        sent += once.send.len() + twice.send.len();
        if once.end.is_some() {
            break;
        }
    }
    assert!(sent <= 15_100, "{sent} packets for 10001 blocks");
}

#[test]
fn the_time_out_grows_and_after_six_the_machine_is_lost() {
    let (mut transfer, first) = begun(windowed(8, 2), 100);
    let waits: Vec<_> =
        std::iter::once(first).chain((0..5).map(|_| transfer.on_timeout())).map(|turn| turn.wait).collect();
    assert_eq!(waits, [300, 600, 1200, 2000, 2000, 2000].map(|millis| Some(Duration::from_millis(millis))));
    assert_eq!(transfer.on_timeout().end, Some(TransferEnd::Lost { sent: 0 }));
}

#[test]
fn an_acknowledgement_makes_the_time_out_short_again() {
    let (mut transfer, _) = begun(windowed(8, 1), 100);
    assert_eq!(transfer.on_timeout().wait, Some(Duration::from_millis(600)));
    assert_eq!(transfer.on_packet(&ack(1)).wait, Some(Duration::from_millis(300)));
}

#[test]
fn block_numbers_roll_over_in_a_large_file() {
    let size = 8 * 70_000 + 3;
    for window in [1, 64] {
        let (got, end) = receive(windowed(8, window), size, || false);
        assert_eq!(end, TransferEnd::Done { bytes: size as u64 }, "window {window}");
        assert!(got == content(size), "window {window}");
    }
}

#[test]
fn an_empty_file_is_one_empty_block() {
    assert_eq!(receive(TftpOptions::default(), 0, || false), (Vec::new(), TransferEnd::Done { bytes: 0 }));
}

proptest! {
    #[test]
    fn whatever_is_lost_the_content_is_right(
        size in 0_usize..3000,
        blksize in 8_u16..64,
        windowsize in 1_u16..20,
        losses in prop::collection::vec(0_u8..100, 1..200),
    ) {
        let mut at = 0;
        let lose = || { at += 1; losses[at % losses.len()] < 15 };
        let (got, end) = receive(windowed(blksize, windowsize), size, lose);
        match end {
            TransferEnd::Done { bytes } => prop_assert!(bytes == size as u64 && got == content(size)),
            TransferEnd::Lost { .. } => prop_assert!(content(size).starts_with(&got)),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn no_packets_panic_or_send_more_than_a_window(
        packets in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            (0_u16..40).prop_map(ack),
        ], 0..60),
        windowsize in 1_u16..20,
    ) {
        let (mut transfer, _) = Transfer::start(&asked(windowed(8, windowsize)), content(300));
        for packet in packets {
            let turn = transfer.on_packet(&packet);
            prop_assert!(turn.send.len() <= usize::from(windowsize));
            let was_acked = transfer.acked == transfer.blocks();
            prop_assert_eq!(matches!(turn.end, Some(TransferEnd::Done { .. })), was_acked);
            if turn.end.is_some() {
                break;
            }
        }
    }
}
