//! oxbow
