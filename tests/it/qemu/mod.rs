//! Machines in QEMU, with real firmware, from power-on to their own operating system. `matrix` has the long rows.

mod matrix;
mod own_os;
