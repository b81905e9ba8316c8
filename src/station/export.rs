//! The screen's way to the office: what keys ask for is made from the station's own answers, as the command line has them.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::{API_TOKEN, CONTROL_SOCKET, PLACEHOLDERS, QUIRKS, SEAL};
use crate::config::{Config, ConfigProblem};
use crate::export::worker::ExportWorker;
use crate::service::images;
use crate::tui;

/// The office of a station that runs as `config` says.
pub(super) fn office(config: &Config) -> tui::ExportFn {
    let data = config.data.clone();
    let (profiles, quirks, placeholders) =
        (config.profiles.clone(), config.data.join(QUIRKS), config.data.join(PLACEHOLDERS));
    let socket = config.data.join(CONTROL_SOCKET);
    let office = ExportWorker {
        seal: data.join(SEAL),
        token: data.join(API_TOKEN),
        settings: (*config.given).clone(),
        profiles: Box::new(move || {
            images::read(&profiles, None, &quirks, &placeholders).profiles.into_values().collect()
        }),
        connect: Box::new(move || {
            UnixStream::connect(&socket).map_err(|err| {
                let what = format!("the station does not answer at {}: {err}", socket.display());
                ConfigProblem::new(what, "pane 5 says what is wrong with its service control")
            })
        }),
        data,
    };
    Arc::new(move |paper, watch| {
        let written = office.write(paper, watch);
        match &written {
            Ok(kept) => tracing::info!(place = %kept.place.display(), "written: {}", kept.about.join("; ")),
            Err(why) => tracing::warn!("not written: {why}"),
        }
        written
    })
}
