//! What leaves the station as a file: lists, reports, certificates, labels, support archives.

mod batch;
mod certificate;
mod support;
mod worker;
