//! The API as an SDK sees it, without one.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::AwsSettings;
use crate::fixture::{Answer, Gateway};

const INVOKE: &str = "/2015-03-31/functions/notify/invocations";

async fn ask(gateway: &Gateway, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    gateway.ask(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn invoke(gateway: &Gateway, headers: &[(&str, &str)], body: &str) -> Answer {
    ask(gateway, Method::POST, INVOKE, headers, body).await
}

async fn get(gateway: &Gateway, path: &str) -> Answer {
    ask(gateway, Method::GET, path, &[], "").await
}

#[tokio::test]
async fn a_call_is_answered_with_what_the_handler_made_of_it() {
    let gateway = Gateway::trusting().await;
    let cases = [
        (r#"{"a":1}"#, json!({"a": 1}), None),
        ("[1]", json!([1]), None),
        ("", json!({}), None),
        (r#"{"do":"fail"}"#, json!({"errorType": "E", "errorMessage": "no"}), Some("Unhandled")),
    ];
    for (event, expected, failed) in cases {
        let answer = invoke(&gateway, &[], event).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &expected), "{event}");
        assert_eq!(answer.headers["x-amz-executed-version"], "$LATEST");
        let shown = answer.headers.get("x-amz-function-error").map(|value| value.to_str().unwrap());
        assert_eq!(shown, failed, "{event}");
        assert!(!answer.headers.contains_key("x-amz-log-result"));
    }
    let answer = invoke(&gateway, &[], r#"{"do":"time out"}"#).await;
    let request_id = answer.headers["x-amzn-requestid"].to_str().unwrap();
    let message = format!("RequestId: {request_id} Error: Task timed out after 3.00 seconds");
    assert_eq!(answer.body, json!({"errorType": "Sandbox.Timedout", "errorMessage": message}));
    assert_eq!(answer.headers["x-amz-function-error"], "Unhandled");
}

#[tokio::test]
async fn what_comes_with_the_event_reaches_the_function() {
    let gateway = Gateway::trusting().await;
    let context = STANDARD.encode(r#"{"custom":{"k":"ü"}}"#);
    let headers = [("x-amz-client-context", context.as_str())];
    let answer = invoke(&gateway, &headers, r#"{"do":"context"}"#).await;
    assert_eq!(answer.body, json!({"custom": {"k": "ü"}}));
    let trace = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";
    let answer = invoke(&gateway, &[("x-amzn-trace-id", trace)], r#"{"do":"trace"}"#).await;
    assert_eq!(answer.body, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");

    let answer = invoke(&gateway, &[("x-amz-log-type", "Tail")], r#"{"do":"print"}"#).await;
    let log = STANDARD.decode(answer.headers["x-amz-log-result"].as_bytes()).unwrap();
    assert!(String::from_utf8(log).unwrap().contains("\na printed line\nEND RequestId: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_call_is_accepted_and_its_end_is_told() {
    let gateway = Gateway::trusting().await;
    for (event, condition) in [(r#"{"n":1}"#, "Success"), (r#"{"do":"fail"}"#, "RetriesExhausted")] {
        let accepted = invoke(&gateway, &[("x-amz-invocation-type", "Event")], event).await;
        assert_eq!((accepted.status, accepted.body), (StatusCode::ACCEPTED, Value::Null));
        let receive = json!({"QueueUrl": "alerts", "WaitTimeSeconds": 10});
        let received = gateway.done("AmazonSQS.ReceiveMessage", receive).await;
        let told: Value = serde_json::from_str(received["Messages"][0]["Body"].as_str().unwrap()).unwrap();
        assert_eq!(told["requestContext"]["condition"], condition);
        assert_eq!(
            told["requestContext"]["requestId"],
            accepted.headers["x-amzn-requestid"].to_str().unwrap()
        );
        assert_eq!(told["requestPayload"].to_string(), event);
    }
}

#[tokio::test]
async fn what_can_not_be_called_is_refused_under_lambdas_names() {
    let gateway = Gateway::trusting().await;
    let large = format!("\"{}\"", "x".repeat(6 << 20));
    let event = format!("\"{}\"", "x".repeat(1 << 20));
    type Headers = &'static [(&'static str, &'static str)];
    let cases: &[(&str, Headers, &str, u16, &str)] = &[
        ("missing", &[], "{}", 404, "ResourceNotFoundException"),
        ("notify:7", &[], "{}", 404, "ResourceNotFoundException"),
        ("notify", &[], "{", 400, "InvalidRequestContentException"),
        ("notify", &[("x-amz-client-context", "!")], "{}", 400, "InvalidRequestContentException"),
        ("notify", &[("x-amz-client-context", "W10=")], "{}", 400, "InvalidRequestContentException"),
        ("notify", &[("x-amz-invocation-type", "Later")], "{}", 400, "InvalidParameterValueException"),
        ("notify", &[("x-amz-log-type", "Head")], "{}", 400, "InvalidParameterValueException"),
        ("notify", &[], &large, 413, "RequestTooLargeException"),
        ("notify", &[("x-amz-invocation-type", "Event")], &event, 413, "RequestTooLargeException"),
        ("notify", &[("x-amz-invocation-type", "DryRun")], "{}", 204, ""),
    ];
    for (name, headers, body, status, code) in cases {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let answer = ask(&gateway, Method::POST, &path, headers, body).await;
        let shown = answer.headers.get("x-amzn-errortype").map_or("", |value| value.to_str().unwrap());
        assert_eq!((answer.status.as_u16(), shown), (*status, *code), "{name} {headers:?}: {}", answer.body);
    }
    let answer = ask(&gateway, Method::POST, &format!("{INVOKE}?Qualifier=prod"), &[], "{}").await;
    let message = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:notify:prod";
    assert_eq!(answer.body, json!({"Type": "User", "Message": message}));
}

#[tokio::test]
async fn a_call_beyond_the_concurrency_is_throttled() {
    let gateway = Gateway::trusting().await;
    let hanging = invoke(&gateway, &[], r#"{"do":"hang"}"#);
    tokio::pin!(hanging);
    let throttled = async {
        loop {
            let answer = invoke(&gateway, &[], "{}").await;
            if answer.status != StatusCode::OK {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::select! {
        biased;
        answer = &mut hanging => panic!("it hangs, and answered {} {}", answer.status, answer.body),
        answer = throttled => answer,
    };
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers["x-amzn-errortype"], "TooManyRequestsException");
    assert_eq!(
        answer.body,
        json!({
            "Type": "User", "message": "Rate Exceeded.",
            "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        })
    );
}

#[tokio::test]
async fn functions_and_their_limits_are_described() {
    let gateway = Gateway::trusting().await;
    let all = get(&gateway, "/2015-03-31/functions/").await.body;
    let names = |page: &Value| -> Vec<String> {
        let functions = page["Functions"].as_array().unwrap().iter();
        functions.map(|function| function["FunctionName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((names(&all), &all["NextMarker"]), (vec!["notify".into(), "other".into()], &Value::Null));
    let first = get(&gateway, "/2015-03-31/functions?MaxItems=1").await.body;
    assert_eq!((names(&first), &first["NextMarker"]), (vec!["notify".into()], &json!("notify")));
    let second = get(&gateway, "/2015-03-31/functions?MaxItems=1&Marker=notify").await.body;
    assert_eq!((names(&second), &second["NextMarker"]), (vec!["other".into()], &Value::Null));

    let arn = "arn:aws:lambda:us-east-1:000000000000:function:notify";
    let function = get(&gateway, &format!("/2015-03-31/functions/{arn}")).await.body;
    assert_eq!(function["Configuration"]["FunctionArn"], arn);
    assert_eq!(function["Configuration"]["State"], "Active");
    assert_eq!(function["Concurrency"], json!({"ReservedConcurrentExecutions": 1}));
    let configuration = get(&gateway, "/2015-03-31/functions/notify/configuration").await.body;
    assert_eq!((&configuration["Timeout"], &configuration["MemorySize"]), (&json!(3), &json!(128)));
    let queued = get(&gateway, "/2019-09-25/functions/notify/event-invoke-config").await.body;
    assert_eq!(queued["MaximumEventAgeInSeconds"], 21_600);
    let alerts = "arn:aws:sqs:us-east-1:000000000000:alerts";
    assert_eq!(queued["DestinationConfig"]["OnFailure"]["Destination"], alerts);
    assert_eq!(get(&gateway, "/2015-03-31/functions/missing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn unsigned_requests_are_refused() {
    let gateway = Gateway::open(AwsSettings::default(), true).await;
    let answer = invoke(&gateway, &[], "{}").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.headers["x-amzn-errortype"], "MissingAuthenticationToken");
}
