//! Every kind of firmware, boot path, image and profile. It takes most of an hour: `make test-all`.

mod cloud_init;
mod configuration;
mod emt;
mod http_boot;
mod https_profile;
mod ipxe_script;
mod netconsole;
mod pxe;
mod secure_boot;
mod shell;
mod tls;
