//! The station's log says why machines do not boot: nobody need watch the screen of a headless one.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use super::Context;
use crate::clock;
use crate::domain::doctor::bulletin::{Bulletin, Case, News};
use crate::domain::doctor::verdict::Severity;

/// Looks at the bench from time to time until told to stop: a machine that has fallen silent makes no event.
pub async fn serve(context: Context) {
    let mut bulletin = Bulletin::default();
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

fn say(news: &News) {
    match news {
        News::Found(Case { mac, name, verdict, .. }) => {
            let hint = &verdict.hint;
            if verdict.severity == Severity::Notice {
                info!(%mac, name, hint, "{}", verdict.headline());
            } else {
                warn!(%mac, name, hint, "{}", verdict.headline());
            }
        }
        News::Over(Case { mac, name, verdict, .. }) => info!(%mac, name, "no longer {}", verdict.headline()),
        News::More(more) => warn!("{more} more machines do not boot: `oxbow nodes` lists them"),
    }
}

/// A person who walks to the machine takes longer.
const EVERY: Duration = Duration::from_secs(2);
