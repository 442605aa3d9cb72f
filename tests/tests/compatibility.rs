//! What `mqtt.compatibility` changes beyond the broker itself; each case in both modes. The broker's own cases are in
//! `gateway/broker/tests/scenarios/compatibility.txt`.

use end_to_end::{Client, Connect, Gateway, OWN_TOPICS, Site, kind};

const V3: u8 = 4;
const V5: u8 = 5;
const TOPIC_NAME_INVALID: u8 = 0x90;
const CONNECTION_RATE_EXCEEDED: u8 = 0x9f;

/// Runs `case` on a gateway of each mode; it is told whether the model is AWS.
fn in_both(case: impl Fn(&Site, &Gateway, bool) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for (mode, is_aws) in [("standard", false), ("aws", true)] {
        // Connecting again and again is what these cases do; the case about the rate switches it on.
        let settings = format!("[mqtt]\ncompatibility = \"{mode}\"\nconnects_per_client_per_sec_max = 0\n");
        let site = Site::new(&settings)?;
        site.write_policy(
            "anyone",
            &OWN_TOPICS.replace("${iot:Connection.Thing.ThingName}", "${iot:ClientId}"),
        )?;
        let gateway = Gateway::start(&site)?;
        case(&site, &gateway, is_aws)?;
    }
    Ok(())
}

/// The answer to a CONNECT that `anyone` may not make.
fn refused(site: &Site, version: u8) -> anyhow::Result<u8> {
    site.write_policy("anyone", r#"{ "Version": "2012-10-17", "Statement": [] }"#)?;
    end_to_end::wait::until("the policy to be in force", end_to_end::wait::SOON, || {
        let mut client = Client::plain(site.plain_address).ok()?;
        let code = client.connect(&Connect::clean(version, "device")).ok()?.reason();
        (code != 0).then_some(code)
    })
}

#[test]
fn a_connection_that_no_policy_allows() -> anyhow::Result<()> {
    in_both(|site, _, is_aws| {
        assert_eq!(refused(site, V3)?, if is_aws { 7 } else { 5 });
        assert_eq!(refused(site, V5)?, 0x87);
        Ok(())
    })
}

#[test]
fn a_subscription_that_no_policy_allows() -> anyhow::Result<()> {
    in_both(|site, _, is_aws| {
        let mut modern = Client::connect_plain(site.plain_address, &Connect::clean(V5, "modern"))?;
        assert_eq!(modern.subscribe("plant/other/#", 0)?, 0x87);
        let mut old = Client::connect_plain(site.plain_address, &Connect::clean(V3, "old"))?;
        if is_aws {
            assert!(old.subscribe("plant/other/#", 0).is_err(), "it is closed");
        } else {
            assert_eq!(old.subscribe("plant/other/#", 0)?, 0x80);
        }
        Ok(())
    })
}

#[test]
fn the_prefix_of_basic_ingest_is_no_part_of_the_topic_s_levels() -> anyhow::Result<()> {
    let site = Site::new("[mqtt]\ncompatibility = \"aws\"\n")?;
    let _gateway = Gateway::start(&site)?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "device"))?;
    let eight = "1/2/3/4/5/6/7/8";
    for (topic, expected) in [
        (eight.to_string(), 0),
        (format!("{eight}/9"), TOPIC_NAME_INVALID),
        (format!("$aws/rules/rule/{eight}"), 0),
        (format!("$aws/rules/rule/{eight}/9"), TOPIC_NAME_INVALID),
        ("x".repeat(256), 0),
        ("x".repeat(257), TOPIC_NAME_INVALID),
        (format!("$aws/rules/rule/{}", "x".repeat(256)), 0),
    ] {
        assert_eq!(client.publish(&topic, "x")?, expected, "{topic}");
    }
    Ok(())
}

#[test]
fn one_client_id_connects_once_a_second_where_aws_is_the_model() -> anyhow::Result<()> {
    let site = Site::new("[mqtt]\ncompatibility = \"aws\"\n")?;
    let gateway = Gateway::start(&site)?;
    let code = |version, client_id: &str| -> anyhow::Result<u8> {
        let mut client = Client::plain(site.plain_address)?;
        Ok(client.connect(&Connect::clean(version, client_id))?.reason())
    };
    assert_eq!(code(V5, "a")?, 0);
    assert_eq!(code(V5, "a")?, CONNECTION_RATE_EXCEEDED);
    assert_eq!(code(V3, "a")?, 3, "server unavailable is the nearest that MQTT 3.1.1 has");
    assert_eq!(code(V3, "b")?, 0, "another client is not concerned");
    end_to_end::wait::for_true("the second to pass", end_to_end::wait::SOON, || {
        code(V5, "a").is_ok_and(|code| code == 0)
    })?;
    let refused = gateway.consumer.metrics()?.sum("iot_gateway_connects_refused_total", "reason=\"rate\"");
    assert!(refused >= 2.0, "{refused}");
    Ok(())
}

#[test]
fn what_is_told_in_connack() -> anyhow::Result<()> {
    in_both(|site, _, is_aws| {
        let mut client = Client::plain(site.plain_address)?;
        let answer = client.connect(&Connect::clean(V5, "device"))?;
        assert_eq!(answer.kind, kind::CONNACK);
        // Maximum QoS 1 and Subscription Identifier Available 0.
        let told = |property: [u8; 2]| answer.body.windows(2).any(|bytes| bytes == property);
        assert_eq!((told([0x24, 1]), told([0x29, 0])), (is_aws, is_aws), "{answer:x?}");
        Ok(())
    })
}
