//! What the DHCP service does and what it does not, as it says itself.

/// For people to see. The service says it anew when it has changed, once a second at the most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp {
    /// Requests that were understood and left unanswered: why, and how many.
    pub unanswered: Vec<(String, u64)>,
    /// Requests that were not even looked at: why, and how many.
    pub dropped: Vec<(String, u64)>,
}
