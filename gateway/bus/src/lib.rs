//! Events, lanes, the delivery engine, dead letters and the ledger.
