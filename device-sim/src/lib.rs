//! A fleet of simulated devices that proves by count what arrived.
