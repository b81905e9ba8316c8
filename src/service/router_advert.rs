//! router_advert
