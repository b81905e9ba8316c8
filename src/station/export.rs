//! What keys of the screen export is made from the station's own answers, as the commands have them.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::config::{Config, ConfigProblem};
use crate::export::worker::ExportWorker;
use crate::service::images;
use crate::tui;

/// The export worker of a station with this configuration.
pub(super) fn worker(config: &Config) -> tui::ExportFn {
    let (profiles, quirks, placeholders) = (config.profiles.clone(), config.data.quirks(), config.data.placeholders());
    let socket = config.data.control_socket();
    let worker = ExportWorker {
        data: config.data.clone(),
        settings: (*config.given).clone(),
        profiles: Box::new(move || {
            images::read(&profiles, None, &quirks, &placeholders).profiles.into_values().collect()
        }),
        connect: Box::new(move || {
            UnixStream::connect(&socket).map_err(|err| {
                let what = format!("the station does not answer at {}: {err}", socket.display());
                ConfigProblem::new(what, "pane 5 shows what is wrong with its service control")
            })
        }),
    };
    Arc::new(move |export, watch| {
        let written = worker.write(export, watch);
        match &written {
            Ok(kept) => tracing::info!(place = %kept.place.display(), "written: {}", kept.about.join("; ")),
            Err(why) => tracing::warn!("not written: {why}"),
        }
        written
    })
}
