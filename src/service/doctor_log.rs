//! Logs why machines do not boot, so that a headless station needs no screen.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use super::ServiceContext;
use crate::clock;
use crate::domain::doctor::log::{DoctorLog, LogNotice, LoggedVerdict};
use crate::domain::doctor::verdict::Severity;

/// Checks the bench from time to time until stopped: a machine that stops answering causes no event.
pub async fn serve(context: ServiceContext) {
    let mut bulletin = DoctorLog::default();
    let mut each = tokio::time::interval(EVERY);
    each.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            _ = each.tick() => {}
        }
        bulletin.news(context.snapshot().cases(clock::now())).iter().for_each(say);
    }
}

fn say(news: &LogNotice) {
    match news {
        LogNotice::Found(case @ LoggedVerdict { mac, verdict, .. }) if verdict.severity == Severity::Notice => {
            info!(%mac, node = called(case), hint = verdict.hint, "{}", verdict.headline());
        }
        LogNotice::Found(case @ LoggedVerdict { mac, verdict, .. }) => {
            warn!(%mac, node = called(case), hint = verdict.hint, "{}", verdict.headline());
        }
        LogNotice::Over(case @ LoggedVerdict { mac, verdict, .. }) => {
            info!(%mac, node = called(case), "no longer {}", verdict.headline());
        }
        LogNotice::More(more) => warn!("{more} more machines do not boot: see `oxbow nodes`"),
    }
}

/// What the machine is called, unless that says nothing more than its MAC address.
fn called(case: &LoggedVerdict) -> Option<&str> {
    case.name.as_deref().filter(|name| *name != case.mac.to_string())
}

/// A person who walks to the machine takes longer.
const EVERY: Duration = Duration::from_secs(2);
