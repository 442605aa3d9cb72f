//! Sessions, subscriptions, retained messages, wills and shared groups of MQTT.
