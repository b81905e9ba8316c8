//! The HTTP and HTTPS server, over real sockets.

mod configuration;
mod installer;
mod routes;
mod tls;
