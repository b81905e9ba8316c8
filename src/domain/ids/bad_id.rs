//! Why a text is not the identifier it should be.

/// Why a text is not the identifier it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    #[error("a MAC address is six pairs of hex digits, as 52:54:00:12:34:56")]
    MacForm,
    #[error("this MAC address is a group address, no machine has it")]
    MacGroup,
    #[error("this MAC address is all zeros")]
    MacZero,
    #[error("the serial is empty")]
    SerialEmpty,
    #[error("the serial is a placeholder that many machines share")]
    SerialPlaceholder,
    #[error("a UUID is 32 hex digits, as 4c4c4544-0042-4a10-8052-b7c04f4d3432")]
    UuidForm,
    #[error("the UUID is a placeholder that many machines share")]
    UuidPlaceholder,
    #[error("a profile name is 1 to 64 of a-z, 0-9, `-`, `_` and `.`, and starts with a letter or digit")]
    ProfileForm,
    #[error("a run is named by 32 hex digits")]
    RunForm,
    #[error("a host name is made of a-z, 0-9 and `-`, with dots between its parts of at most 63")]
    HostnameForm,
}
