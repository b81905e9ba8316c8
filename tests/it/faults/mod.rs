//! What can fail while a machine is installed: disks, power, cables, the station itself.

mod full_disk;
mod install;
mod node_network;
mod power_cut;
