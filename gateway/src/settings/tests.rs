//! Text in, checked settings or one clear message out.

use super::*;

const TLS: &str = "[tls]\ncertificate = \"c\"\nkey = \"k\"\nauthorities = [\"a\"]\n";

fn load(text: &str) -> Result<Settings, String> {
    Settings::from_text(text, Path::new("gateway.toml"), Path::new("/etc/iot"), std::iter::empty())
        .map_err(|error| error.to_string())
}

fn message(text: &str) -> String {
    load(text).expect_err("these settings are wrong")
}

#[test]
fn defaults_need_only_certificates() {
    let settings = load(TLS).unwrap();
    assert_eq!(settings.raw.tls.certificate, Path::new("/etc/iot/c"));
    assert_eq!(settings.raw.data_directory, Path::new("/etc/iot/data"));
    assert!(message("").contains("`tls.certificate`"));
}

#[test]
fn wrong_settings_are_named_with_their_place() {
    let cases: &[(&str, &str)] = &[
        ("[listner]\n", "gateway.toml:1:2: unknown key `listner`; did you mean `listener`?"),
        (
            "[mqtt]\npayload_bytes = 5\n",
            "gateway.toml:2:1: unknown key `payload_bytes`; did you mean `payload_bytes_max`?",
        ),
        ("[log]\nformat = \"jsn\"\n", "gateway.toml:2:10: unknown value `jsn`; did you mean `json`?"),
        (
            "[mqtt]\nreceive_maximum = \"x\"\n",
            "gateway.toml:2:19: invalid type: string \"x\", expected a whole number",
        ),
        ("data_directory = \n", "gateway.toml:1:18: "),
    ];
    for (text, expected) in cases {
        let message = message(text);
        assert!(message.starts_with(expected), "{text:?}\n  gave     {message}\n  expected {expected}");
    }
}

#[test]
fn archives_and_bounds_of_dead_letters_that_make_no_sense_are_refused() {
    let cases: &[(&str, &str)] = &[
        ("[dead_letters]\nletters_max = 0\n", "`dead_letters.letters_max` is 0; it must be at least 1"),
        (
            "[dead_letters.target.\"http/hok\"]\n[[http]]\nname = \"hook\"\nurl = \"http://a\"\n",
            "`http/hok`, which is no target that has dead letters; did you mean `http/hook`?",
        ),
        (
            "[dead_letters.target.\"archive/a\"]\nbytes_max = 0\n[[archive]]\nname = \"a\"\n",
            "`dead_letters.target.\"archive/a\".bytes_max` is 0",
        ),
        ("[[archive]]\nname = \"../a\"\n", "archive `../a`: a name is 1 to 64 letters"),
        ("[[archive]]\nname = \"a\"\n[[archive]]\nname = \"a\"\n", "archive `a` is declared twice"),
        (
            "[[archive]]\nname = \"a\"\ndisk_bytes_max = 9\n",
            "`disk_bytes_max` is 9; it must be at least 262144",
        ),
    ];
    for (text, expected) in cases {
        let message = message(&format!("{TLS}{text}"));
        assert!(message.contains(expected), "{text:?}\n  gave     {message}\n  expected {expected}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let cases: &[(&str, &str)] = &[
        ("[listener]\norigins = [\"console.example.com\"]\n", "`listener.origins` has `console.example.com`"),
        ("[listener]\norigins = [\"https://console.example.com/\"]\n", "without a path"),
        (
            "[listener]\nhttps_address = \"8443\"\n",
            "`8443` is no address such as `0.0.0.0:8443`, and not `off`",
        ),
        (
            "[access]\npassword_iterations = 1000\n",
            "`access.password_iterations` is 1000; it must be 4096 to 1000000",
        ),
        ("[api]\naddress = \"0.0.0.0:8080\"\n", "add an `[[api.access_key]]`"),
        ("[api]\naddress = \"0.0.0.0:8080\"\nunsigned_on_loopback = true\n", "which others can reach"),
        ("[access]\nregister_unknown = \"from_trusted_authority\"\n", "needs `access.default_policy`"),
        ("[mqtt]\nreceive_maximum = 0\n", "`mqtt.receive_maximum` is 0; it must be at least 1"),
        ("[listener]\nconnections_max = 0\n", "`listener.connections_max` is 0; it must be at least 1"),
        (
            "[listener]\nconnections_per_address_max = 0\n",
            "`listener.connections_per_address_max` is 0; it must be at least 1",
        ),
        (
            "[listener.tls]\nconnections_max = 0\n",
            "`listener.tls.connections_max` is 0; it must be at least 1",
        ),
        (
            "[listener.https]\nhandshakes_max = 0\n",
            "`listener.https.handshakes_max` is 0; it must be at least 1",
        ),
        (
            "[listener.plain]\nconnections_per_address_max = 0\n",
            "`listener.plain.connections_per_address_max` is 0; it must be at least 1",
        ),
        (
            "[listener.plain_websocket]\nhandshakes_max = 0\n",
            "`listener.plain_websocket.handshakes_max` is 0; it must be at least 1",
        ),
        (
            "[mqtt]\nkeep_alive_secs_min = 60\nkeep_alive_secs_max = 59\n",
            "`mqtt.keep_alive_secs_max` is 59; it must be at least 60",
        ),
        (
            "[mqtt]\ncompatibility = \"aws\"\nkeep_alive_secs_max = 20\n",
            "`mqtt.keep_alive_secs_max` is 20; it must be at least 30",
        ),
        (
            "[delivery]\npinned_bytes_max = 1000\n",
            "`delivery.pinned_bytes_max` is 1000; it must be at least 67108864",
        ),
        ("[[api.access_key]]\nid = \"a\"\n", "needs exactly one of `secret_file` and `secret_environment`"),
    ];
    refused(cases);
}

#[test]
fn queues_and_http_targets_that_can_not_be_are_refused() {
    let cases: &[(&str, &str)] = &[
        ("[[queue]]\nname = \"a b\"\n", "queue `a b`: a name is"),
        ("[[queue]]\nname = \"a\"\n[[queue]]\nname = \"a\"\n", "queue `a` is declared twice"),
        (
            "[[queue]]\nname = \"alerts\"\n[[queue]]\nname = \"b\"\nreceives_max = 3\ndead_letter_queue = \"alert\"\n",
            "did you mean `alerts`?",
        ),
        ("[[queue]]\nname = \"a.fifo\"\n", "queue `a.fifo`: a name that ends in `.fifo` needs `fifo = true`"),
        ("[[queue]]\nname = \"a\"\nfifo = true\n", "queue `a`: with `fifo = true` its name ends in `.fifo`"),
        (
            "[[queue]]\nname = \"a\"\ncontent_based_deduplication = true\n",
            "queue `a`: `content_based_deduplication` is for FIFO queues only",
        ),
        (
            "[[queue]]\nname = \"a\"\n[[queue]]\nname = \"b.fifo\"\nfifo = true\nreceives_max = 3\ndead_letter_queue = \"a\"\n",
            "queue `b.fifo`: its `dead_letter_queue` must be of the same type",
        ),
        (
            "[[http]]\nname = \"h\"\nurl = \"http://a/\"\ndelivery = { concurrency = 0 }\n",
            "http `h`: `delivery.concurrency` is 0; it must be at least 1",
        ),
        (
            "[[http]]\nname = \"h\"\nurl = \"http://a/\"\ndelivery = { batch_events_max = 2 }\n",
            "each request carries one event",
        ),
    ];
    refused(cases);
}

#[test]
fn functions_that_can_not_be_are_refused() {
    let cases: &[(&str, &str)] = &[
        ("[[function]]\nname = \"f\"\ncommand = []\n", "function `f`: `command` is empty"),
        (
            "[[queue]]\nname = \"failed\"\n[[function]]\nname = \"f\"\ncommand = [\"a\"]\n\
             event_invoke = { on_failure = \"queue/faild\" }\n",
            "`event_invoke.on_failure` names `queue/faild`, which is no queue, stream or function here; did you mean `queue/failed`?",
        ),
        (
            "[[function]]\nname = \"f\"\ncommand = [\"a\"]\nevent_invoke = { age_secs_max = 0 }\n",
            "`event_invoke.age_secs_max` is 0; it must be at least 1",
        ),
        (
            "[[function]]\nname = \"f\"\ncommand = [\"a\"]\n[function.delivery]\nbackoff_first_ms = 70000\n",
            "function `f`: `delivery.backoff_max_ms` is 60000; it must be at least 70000",
        ),
        (
            "[[function]]\nname = \"f\"\ncommand = [\"a\"]\n[function.delivery]\nbatch_wait_ms = 300001\n",
            "function `f`: `delivery.batch_wait_ms` is 300001; it must be at most 300000",
        ),
        (
            "[[function]]\nname = \"f\"\ncommand = [\"a\"]\n[function.delivery]\nrate_per_second_max = 0\n",
            "nonzero",
        ),
        (
            "[[function]]\nname = \"f\"\ncommand = [\"a\"]\n[function.delivery]\noverflow = \"drop\"\n",
            "drop_oldest",
        ),
        ("[[function]]\nname = \"f\"\n", "function `f`: `command` is empty"),
        (
            "[[function]]\nname = \"f\"\ncommand = [\"f\"]\nwasm = \"f.wasm\"\n",
            "function `f`: it has both `command` and `wasm`",
        ),
        ("[[function]]\nname = \"f\"\nwasm = \"\"\n", "function `f`: `wasm` is empty"),
        (
            "[[function]]\nname = \"f\"\nwasm = \"f.wasm\"\nhandler = \"f.g\"\n",
            "`handler` and `directory` are for `command`",
        ),
        ("[[function]]\nname = \"f\"\ncommand = [\"f\"]\nfuel_max = 5\n", "`fuel_max` is for `wasm`"),
    ];
    refused(cases);
}

/// Each text is refused with a message that says so.
fn refused(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let message = message(&format!("{TLS}{text}"));
        assert!(message.contains(expected), "{text:?}\n  gave     {message}\n  expected {expected}");
    }
}

#[test]
fn zero_and_equal_bounds_are_legal_where_they_mean_something() {
    let cases = [
        "[mqtt]\nkeep_alive_secs_min = 60\nkeep_alive_secs_max = 0\n",
        "[mqtt]\nkeep_alive_secs_min = 60\nkeep_alive_secs_max = 60\n",
        "[listener.tls]\nwaiting_max = 0\nconnections_per_sec_max = 0\nhandshakes_max = 1\n",
    ];
    for text in cases {
        assert_eq!(load(&format!("{TLS}{text}")).err(), None, "{text:?}");
    }
}

#[test]
fn https_is_on_unless_it_is_switched_off() {
    let address = |text: &str| load(&format!("{TLS}{text}")).unwrap().raw.listener.https_address;
    assert_eq!(address(""), Some("0.0.0.0:8443".parse().unwrap()));
    assert_eq!(
        address("[listener]\nhttps_address = \"127.0.0.1:443\"\n"),
        Some("127.0.0.1:443".parse().unwrap())
    );
    assert_eq!(address("[listener]\nhttps_address = \"off\"\n"), None);
}

#[test]
fn an_unknown_key_from_the_environment_is_named() {
    let variables = [("IOT_GATEWAY__MQTT__RECEIVE_MAX".to_string(), "5".to_string())];
    let error = Settings::from_text(TLS, Path::new("gateway.toml"), Path::new("/"), variables.into_iter())
        .expect_err("no such key");
    assert_eq!(
        error.to_string(),
        "environment variable IOT_GATEWAY__MQTT__RECEIVE_MAX: unknown key `receive_max`; did you mean `receive_maximum`?"
    );
}

#[test]
fn the_preset_of_aws_gives_way_to_what_is_written() {
    let mqtt =
        load(&format!("{TLS}[mqtt]\ncompatibility = \"aws\"\nkeep_alive_secs_max = 600\n")).unwrap().raw.mqtt;
    assert_eq!((mqtt.topic_levels_max, mqtt.topic_bytes_max, mqtt.filters_per_subscribe_max), (8, 256, 8));
    assert_eq!((mqtt.session_expiry_secs_max, mqtt.publishes_per_sec_max), (3600, 100));
    assert_eq!(mqtt.queue_full, QueueFull::DropNewest);
    assert_eq!((mqtt.keep_alive_secs_min, mqtt.keep_alive_secs_max), (30, 600), "written wins");
    let standard = load(&format!("{TLS}[mqtt]\nkeep_alive_secs_max = 600\n")).unwrap().raw.mqtt;
    assert_eq!((standard.topic_levels_max, standard.publishes_per_sec_max), (32, 0));
    let variables = [("IOT_GATEWAY__MQTT__COMPATIBILITY".to_string(), "aws".to_string())];
    let file = Path::new("gateway.toml");
    let settings = Settings::from_text(TLS, file, Path::new("/"), variables.into_iter()).unwrap();
    assert_eq!(settings.raw.mqtt.topic_levels_max, 8, "from the environment too");
}
