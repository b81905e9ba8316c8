//! The settings of the screen, as the screen itself takes them.

use tokio::runtime::Handle;

use crate::config::screen::{AlarmSetting, Background, PaletteSetting};
use crate::config::{Config, ScreenSettings};
use crate::tui;

/// What the screen is started with.
pub(super) fn options(chosen: &ScreenSettings, ascii: bool, runtime: Handle) -> tui::TuiOptions {
    tui::TuiOptions { looks: looks(chosen, ascii), bell: calls(chosen.bell), flash: calls(chosen.flash), runtime }
}

/// Where the screen reads lists and saves packets.
pub(super) fn folders(config: &Config) -> tui::ListFolders {
    tui::ListFolders { import: config.data.import_folder(), captures: config.data.captures() }
}

/// How the screen looks, as configured.
fn looks(chosen: &ScreenSettings, ascii: bool) -> tui::Looks {
    let (palette, sight) = match chosen.palette {
        None | Some(PaletteSetting::Auto) => (None, tui::Sight::Usual),
        Some(PaletteSetting::Mono) => (Some(tui::Palette::Mono), tui::Sight::Usual),
        Some(PaletteSetting::Sixteen) => (Some(tui::Palette::Sixteen), tui::Sight::Usual),
        Some(PaletteSetting::Indexed) => (Some(tui::Palette::Indexed), tui::Sight::Usual),
        Some(PaletteSetting::Rgb) => (Some(tui::Palette::Rgb), tui::Sight::Usual),
        Some(PaletteSetting::Deuteranopia | PaletteSetting::Protanopia) => (None, tui::Sight::RedGreen),
        Some(PaletteSetting::Tritanopia) => (None, tui::Sight::BlueYellow),
    };
    let ground = match chosen.background {
        None | Some(Background::Auto) => None,
        Some(Background::Dark) => Some(tui::Backdrop::Dark),
        Some(Background::Light) => Some(tui::Backdrop::Light),
    };
    tui::Looks { palette, sight, ground, ascii }
}

fn calls(chosen: Option<AlarmSetting>) -> tui::Calls {
    match chosen {
        None | Some(AlarmSetting::All) => tui::Calls::All,
        Some(AlarmSetting::Failures) => tui::Calls::Failures,
        Some(AlarmSetting::Never) => tui::Calls::Never,
    }
}
