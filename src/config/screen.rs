//! The settings of the screen: `[screen]` in the file, flags, or the environment.

use clap::ValueEnum;
use serde::Deserialize;

/// Looks and sounds. What is not set is detected from the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct ScreenSettings {
    /// Colours of the screen: auto (as many as the terminal has), or these; deuteranopia, protanopia and tritanopia are
    /// for people who see fewer [default: auto]
    #[arg(long, value_name = "PALETTE", env = "OXBOW_PALETTE")]
    pub palette: Option<PaletteSetting>,
    /// The background of the terminal [default: auto, dark where the terminal does not say]
    #[arg(long, value_name = "GROUND", env = "OXBOW_BACKGROUND")]
    pub background: Option<Background>,
    /// When the bell rings: all (failures, and the end of the batch), failures, or never [default: all]
    #[arg(long, value_name = "NEWS", env = "OXBOW_BELL")]
    pub bell: Option<AlarmSetting>,
    /// When the first lines are highlighted for three seconds, as --bell [default: all]
    #[arg(long, value_name = "NEWS", env = "OXBOW_FLASH")]
    pub flash: Option<AlarmSetting>,
    /// Continue to serve when the terminal is closed, as when an SSH connection is lost; SIGTERM stops the station
    #[arg(long, env = "OXBOW_KEEP_SERVING")]
    pub keep_serving: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum PaletteSetting {
    Auto,
    /// No colours, only bold and dim
    Mono,
    #[value(name = "16")]
    #[serde(rename = "16")]
    Sixteen,
    #[value(name = "256")]
    #[serde(rename = "256")]
    Indexed,
    Rgb,
    Deuteranopia,
    Protanopia,
    Tritanopia,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Background {
    Auto,
    Dark,
    Light,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmSetting {
    All,
    Failures,
    Never,
}

impl ScreenSettings {
    /// These over those of the file.
    pub fn over(self, filed: Self) -> Self {
        Self {
            palette: self.palette.or(filed.palette),
            background: self.background.or(filed.background),
            bell: self.bell.or(filed.bell),
            flash: self.flash.or(filed.flash),
            keep_serving: self.keep_serving || filed.keep_serving,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_comes_before_the_file_and_a_palette_that_is_none_is_named() {
        let filed: ScreenSettings = toml::from_str("palette = '256'\nbackground = 'light'").expect("settings");
        let flags = ScreenSettings { palette: Some(PaletteSetting::Tritanopia), ..ScreenSettings::default() };
        let (palette, background) = (Some(PaletteSetting::Tritanopia), Some(Background::Light));
        let both = ScreenSettings { palette, background, ..ScreenSettings::default() };
        assert_eq!(flags.over(filed), both);
        let said = toml::from_str::<ScreenSettings>("palette = 'pink'").expect_err("none").to_string();
        assert!(said.contains("pink") && said.contains("deuteranopia"), "{said}");
    }
}
