//! Lines that machines send, by the agent and by syslog.

mod acknowledged;
mod syslog;
