//! Spot instances on the test cloud: real requests over HTTP, real processes as machines.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use contract::backend::{
    AskPrices, Attach, Bundle, Condition, Done, Ended, Failed, FailedClass, Instance, Instances, Log, Logs, Operation,
    Piece, Prices, PutObject, Reap, State, Stop, Submit,
};
use contract::card::Resources;
use serde_json::{Value, json};

use crate::program::Program;
use crate::servers::{SECRET, Server};

const ACTION: &str = "0123456789abcdef0123456789abcdef";
const GROUP: &str = "sg-0c3016e7d01243e5b";
const KEY: &str = "sys-scan-agent_instance";

/// A test cloud, and `pipe-aws` with a place for instances in it.
pub(crate) struct Cloud {
    pub server: Server,
    pub program: Program,
    directory: tempfile::TempDir,
}

impl Cloud {
    /// With these settings of a place.
    pub(crate) fn new(place: &Value, scale: &str) -> Option<Cloud> {
        let mut server = Server::test_cloud_at(scale)?;
        server.control("seed", &json!({"groups": [GROUP], "keys": [KEY], "profiles": ["pipe-worker"]}));
        server.place.instances = Some(place.clone());
        let program = Program::start(&server.place).unwrap_or_else(|failed| panic!("{failed:?}"));
        Some(Cloud { server, program, directory: tempfile::tempdir().unwrap() })
    }

    /// Puts a file among the objects, as the engine does before it submits.
    fn piece(&self, name: &str, file: &Path) -> Piece {
        let object = format!("blobs/{name}");
        let size = std::fs::metadata(file).unwrap().len();
        self.program.put(PutObject::file(&object, file.into(), size, Condition::Any)).unwrap();
        Piece { name: name.into(), object, file: file.into() }
    }

    fn script(&self, name: &str, text: &str) -> Piece {
        let file = self.directory.path().join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        self.piece(name, &file)
    }

    /// A submit of a command with this text.
    pub(crate) fn order(&self, token: &str, text: &str) -> Submit {
        let keeper = self.piece("pipe-aws", Path::new(env!("CARGO_BIN_EXE_pipe-aws")));
        Submit {
            action: ACTION.into(),
            attempt: 1,
            token: token.into(),
            resources: Resources::default(),
            bundle: Bundle {
                architecture: "x86_64".into(),
                glibc: None,
                files: vec![self.script("pipe", text), keeper],
            },
            setup: None,
            command: ["pipe", "worker", "--directory", "{root}/it's here"].map(ToString::to_string).to_vec(),
            spent: 0.0,
            refused: 0,
        }
    }

    pub(crate) fn submit(&self, order: &Submit) -> Result<Instance, Failed> {
        one(self.program.ask(Operation::Submit(order.clone())))
    }

    pub(crate) fn describe(&self, id: &str) -> Instance {
        many(self.program.ask(Operation::Instances(Instances { ids: Some(vec![id.into()]) }))).remove(0)
    }

    pub(crate) fn living(&self) -> Vec<Instance> {
        many(self.program.ask(Operation::Instances(Instances { ids: None })))
    }

    pub(crate) fn log(&self, id: &str, after: Option<String>) -> Log {
        match self.program.ask(Operation::Logs(Logs { id: id.into(), after })) {
            Ok(Done::Logs { log }) => log,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn attach(&self, attempt: u32) -> Option<Instance> {
        match self.program.ask(Operation::Attach(Attach { action: ACTION.into(), attempt })) {
            Ok(Done::Instance { instance }) => instance.map(|instance| *instance),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn prices(&self, resources: Resources) -> Result<Prices, Failed> {
        match self.program.ask(Operation::Prices(AskPrices { resources }))? {
            Done::Prices { prices } => Ok(prices),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn stop(&self, id: &str) -> Result<Instance, Failed> {
        one(self.program.ask(Operation::Stop(Stop { id: id.into() })))
    }

    /// Asks until it has ended.
    pub(crate) fn ended(&self, id: &str) -> Instance {
        self.until(id, |instance| instance.state == State::Ended)
    }

    /// Asks until it is so.
    pub(crate) fn until(&self, id: &str, is_so: impl Fn(&Instance) -> bool) -> Instance {
        for _ in 0..6_000 {
            let instance = self.describe(id);
            if is_so(&instance) {
                return instance;
            }
        }
        panic!("it does not come so far: {:?}, {}", self.describe(id), self.server.state()["log"]);
    }

    /// Asks for the log until this is in it.
    pub(crate) fn says(&self, id: &str, text: &str) {
        let is_there = |_| self.log(id, None).text.contains(text);
        assert!((0..6_000).any(is_there), "{text} is not in the log: {}", self.log(id, None).text);
    }

    /// Bodies of the requests of this kind, in order.
    pub(crate) fn requests(&self, operation: &str) -> Vec<String> {
        let state = self.server.state();
        let requests = state["requests"].as_array().unwrap().iter().filter(|request| request[0] == operation);
        requests.map(|request| request[1].as_str().unwrap().to_owned()).collect()
    }

    /// Machines that were ever launched.
    fn launched(&self) -> usize {
        self.server.state()["vms"].as_object().unwrap().len()
    }
}

fn one(answer: Result<Done, Failed>) -> Result<Instance, Failed> {
    match answer? {
        Done::Instance { instance: Some(instance) } => Ok(*instance),
        other => panic!("{other:?}"),
    }
}

fn many(answer: Result<Done, Failed>) -> Vec<Instance> {
    match answer {
        Ok(Done::Instances { instances }) => instances,
        other => panic!("{other:?}"),
    }
}

/// As the mission has it.
fn mission() -> Value {
    json!({"ec2-spot": {"region": "us-east-1", "instances": ["g4dn.xlarge", "g5.xlarge"], "max_price": 0.20, "key_name": KEY,
        "security_groups": [GROUP], "fallback": "none", "budget": 5.00, "max_lifetime": "8h"}})
}

fn with(key: &str, value: Value) -> Value {
    let mut place = mission();
    place["ec2-spot"][key] = value;
    place
}

/// Fields of a request to EC2, decoded.
fn fields(body: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let bytes = text.replace('+', " ").into_bytes();
        let (mut out, mut rest) = (Vec::new(), bytes.as_slice());
        while let Some((first, after)) = rest.split_first() {
            let code =
                (*first == b'%').then(|| u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            out.push(code.unwrap_or(*first));
            rest = if code.is_some() { &after[2..] } else { after };
        }
        String::from_utf8(out).unwrap()
    };
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), decoded(value)));
    body.split('&').filter_map(pair).collect()
}

#[track_caller]
fn has(body: &str, name: &str, value: &str) {
    let found: Vec<_> = fields(body).into_iter().filter(|(field, _)| field == name).map(|(_, value)| value).collect();
    assert_eq!(found, [value], "{name} in {body}");
}

#[test]
fn a_quiet_run_begins_and_ends_with_its_command() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let mut order = cloud.order("quiet", "echo \"the stage in $(pwd): $3\"; test -x \"$(dirname \"$0\")/pipe-aws\"");
    order.setup = Some(cloud.script("setup.sh", "echo the set-up runs"));
    let instance = cloud.submit(&order).unwrap_or_else(|failed| panic!("{failed:?}"));
    assert_eq!((instance.action.as_str(), instance.attempt), (ACTION, 1));
    assert!(instance.what.starts_with("g4dn.xlarge, spot, us-east-1"), "{instance:?}");
    assert_eq!(instance.price, Some(0.158));
    assert_eq!(instance.expires.unwrap() - instance.launched.unwrap(), 8 * 3600);
    let ended = cloud.ended(&instance.id);
    let log = cloud.log(&instance.id, None);
    assert_eq!(ended.end, Some(Ended::Finished), "{ended:?}: {}", log.text);
    assert!(log.text.contains("the set-up runs\n") && log.text.contains("/pipe/it's here\n"), "{}", log.text);
    assert_eq!(cloud.log(&instance.id, log.next).text, "", "it was read already");
    assert!(cloud.living().is_empty());
    assert_eq!(cloud.attach(1).unwrap().id, instance.id);
    assert_eq!(cloud.attach(2), None);

    // What was asked for is what the settings say.
    let template = &cloud.requests("CreateLaunchTemplate")[0];
    has(template, "LaunchTemplateData.KeyName", KEY);
    has(template, "LaunchTemplateData.SecurityGroupId.1", GROUP);
    has(template, "LaunchTemplateData.InstanceInitiatedShutdownBehavior", "terminate");
    has(template, "LaunchTemplateData.MetadataOptions.HttpTokens", "required");
    has(template, "LaunchTemplateData.IamInstanceProfile.Name", "pipe-worker");
    let image =
        "resolve:ssm:/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id";
    has(template, "LaunchTemplateData.ImageId", image);
    let fleet = &cloud.requests("CreateFleet")[0];
    has(fleet, "Type", "instant");
    has(fleet, "SpotOptions.AllocationStrategy", "price-capacity-optimized");
    let pools = fields(fleet);
    let overrides: Vec<_> = pools.iter().filter(|(name, _)| name.ends_with(".InstanceType")).collect();
    assert!(
        overrides.len() > 1 && overrides.iter().all(|(_, name)| name == "g4dn.xlarge"),
        "g5 is above the cap: {overrides:?}"
    );
    let caps: Vec<_> = pools.iter().filter(|(name, _)| name.ends_with(".MaxPrice")).collect();
    assert!(caps.len() == overrides.len() && caps.iter().all(|(_, cap)| cap == "0.20"), "{caps:?}");
    assert_eq!(cloud.requests("DeleteLaunchTemplate").len(), 1, "nothing is left");
    assert!(cloud.requests("AuthorizeSecurityGroupIngress").is_empty());

    let machines = cloud.server.state()["vms"].clone();
    let machine = machines.as_object().unwrap().values().next().unwrap();
    let data = std::fs::read_to_string(Path::new(machine["dir"].as_str().unwrap()).join("user-data")).unwrap();
    let lines: Vec<&str> = data.lines().collect();
    assert_eq!(lines[..3], ["#!/bin/bash", "shutdown -h +480", "trap 'shutdown -h now' EXIT"]);
    assert!(data.len() < 16 << 10 && !data.contains(SECRET));
    assert_eq!(machine["alive"], false);
}

#[test]
fn prices_are_those_of_the_pools_that_a_launch_may_take() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let any = Resources::default();
    let prices = cloud.prices(any).unwrap_or_else(|failed| panic!("{failed:?}"));
    // A g5.xlarge is above the cap.
    assert_eq!((prices.least, prices.cap, prices.budget), (Some(0.158), Some(0.20), Some(5.0)));
    assert_eq!(prices.what, "g4dn.xlarge, spot, us-east-1");
    assert!(!cloud.requests("DescribeSpotPriceHistory").is_empty());
    cloud.server.control("price", &json!({"type": "g4dn.xlarge", "az": "us-east-1b", "price": 0.19}));
    cloud.server.control("price", &json!({"type": "g4dn.xlarge", "az": "us-east-1c", "price": 0.30}));
    let prices = cloud.prices(any).unwrap();
    assert_eq!((prices.least, prices.most), (Some(0.158), Some(0.19)), "{prices:?}");
    for zone in ["b", "c"] {
        let zone = format!("us-east-1{zone}");
        cloud.server.control("price", &json!({"type": "g4dn.xlarge", "az": zone, "price": 0.80}));
    }
    cloud.server.control("price", &json!({"type": "g4dn.xlarge", "az": null, "price": 0.70}));
    cloud.server.control("price", &json!({"type": "g5.xlarge", "az": null, "price": 0.90}));
    let prices = cloud.prices(any).unwrap();
    assert_eq!((prices.least, prices.most, prices.cap), (None, None, Some(0.20)), "nothing would be launched now");
    assert!(prices.why.starts_with("all spot prices are above max_price 0.20 now, the lowest 0.700 in"), "{prices:?}");
    let large = Resources { gpus: 1, gpu_memory: 40 << 30, ..any };
    let failed = cloud.prices(large).unwrap_err();
    assert!(failed.class == FailedClass::Invalid && failed.message.contains("has 16 GiB of memory"), "{failed:?}");
    assert_eq!(cloud.launched(), 0);
}

#[test]
fn one_pool_needs_no_fleet() {
    let Some(cloud) = Cloud::new(&with("instances", json!(["g4dn.xlarge"])), "0.01") else { return };
    cloud.server.control("price", &json!({"type": "g4dn.xlarge", "az": null, "price": 0.30}));
    cloud.server.control("price", &json!({"type": "g4dn.xlarge", "az": "us-east-1c", "price": 0.19}));
    let instance = cloud.submit(&cloud.order("one", "true")).unwrap_or_else(|failed| panic!("{failed:?}"));
    assert_eq!((instance.what.as_str(), instance.price), ("g4dn.xlarge, spot, us-east-1c", Some(0.19)));
    let request = &cloud.requests("RunInstances")[0];
    has(request, "InstanceType", "g4dn.xlarge");
    has(request, "InstanceMarketOptions.SpotOptions.MaxPrice", "0.20");
    has(request, "InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time");
    has(request, "KeyName", KEY);
    has(request, "SecurityGroupId.1", GROUP);
    has(request, "MetadataOptions.HttpTokens", "required");
    has(request, "InstanceInitiatedShutdownBehavior", "terminate");
    assert!(cloud.requests("CreateFleet").is_empty());
    assert_eq!(cloud.ended(&instance.id).end, Some(Ended::Finished));
}

#[test]
fn one_token_gives_one_instance() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let order = cloud.order("once", "sleep 600");
    let first = cloud.submit(&order).unwrap();
    assert_eq!(cloud.submit(&order).unwrap().id, first.id);
    // Another client, which knows nothing but what was recorded.
    let other = Program::start(&cloud.server.place).unwrap();
    assert_eq!(one(other.ask(Operation::Submit(order.clone()))).unwrap().id, first.id);
    assert_eq!(cloud.attach(1).unwrap().id, first.id);
    // Two at once.
    let order = Submit { token: "twice".into(), attempt: 2, ..order };
    let ids = [cloud.program.send(Operation::Submit(order.clone())), cloud.program.send(Operation::Submit(order))];
    let [a, b] = ids.map(|id| one(cloud.program.wait(id)).unwrap().id);
    assert_eq!((a == b, cloud.launched()), (true, 2));
}

#[test]
fn a_lost_answer_gives_one_instance() {
    let Some(cloud) = Cloud::new(&with("instances", json!(["g4dn.xlarge"])), "0.01") else { return };
    cloud.server.control("price", &json!({"type": "g4dn.xlarge", "az": null, "price": 0.30}));
    cloud.server.control("price", &json!({"type": "g4dn.xlarge", "az": "us-east-1a", "price": 0.19}));
    cloud.server.faults(json!([{"op": "RunInstancesAfter", "code": "InternalError"}]));
    let instance = cloud.submit(&cloud.order("lost", "sleep 600")).unwrap_or_else(|failed| panic!("{failed:?}"));
    assert_eq!((cloud.launched(), cloud.attach(1).unwrap().id), (1, instance.id));
}

#[test]
fn without_capacity_other_pools_are_tried_and_then_words_are_said() {
    let place = with("instances", json!(["g4dn.xlarge", "m5.large"]));
    let mut place = place;
    place["ec2-spot"]["ami"] = json!("ami-12345678");
    place["ec2-spot"]["max_price"] = json!(0.60);
    place["ec2-spot"]["fallback"] = json!("on-demand");
    let Some(cloud) = Cloud::new(&place, "0.01") else { return };
    let none = |kind: &str, code: &str| json!({"op": "CreateFleet", "type": kind, "code": code, "times": 99});
    cloud.server.faults(json!([none("g4dn.xlarge", "InsufficientInstanceCapacity")]));
    let instance = cloud.submit(&cloud.order("other", "true")).unwrap();
    assert!(instance.what.starts_with("m5.large, spot"), "{instance:?}");

    // No spot capacity at all: on demand, within the same cap.
    let some =
        |kind: &str| json!({"op": "CreateFleet", "type": kind, "code": "InsufficientInstanceCapacity", "times": 6});
    cloud.server.faults(json!([some("g4dn.xlarge"), some("m5.large")]));
    let mut order = cloud.order("demand", "true");
    order.attempt = 2;
    let instance = cloud.submit(&order).unwrap_or_else(|failed| panic!("{failed:?}"));
    assert!(instance.what.contains("on demand"), "{instance:?}");
    assert!(instance.price.unwrap() <= 0.60);
    let words = cloud.program.words().join("\n");
    assert!(
        words.contains("no capacity for g4dn.xlarge in us-east-1a") && words.contains("trying on demand"),
        "{words}"
    );

    cloud.server.faults(json!([
        none("g4dn.xlarge", "MaxSpotInstanceCountExceeded"),
        none("m5.large", "InsufficientInstanceCapacity")
    ]));
    (order.attempt, order.token) = (3, "quota".into());
    let failed = cloud.submit(&order).unwrap_err();
    assert_eq!(failed.class, FailedClass::Denied, "{failed:?}");
    assert!(failed.message.contains("All G and VT Spot Instance Requests (L-3819A6DF)"), "{failed:?}");

    cloud.server.faults(json!([
        none("g4dn.xlarge", "UnfulfillableCapacity"),
        none("m5.large", "InsufficientInstanceCapacity")
    ]));
    (order.attempt, order.token) = (4, "nothing".into());
    let failed = cloud.submit(&order).unwrap_err();
    assert_eq!(failed.class, FailedClass::NoRoom, "{failed:?}");
    assert!(failed.message.contains("no capacity for m5.large"), "{failed:?}");

    cloud.server.faults(json!([]));
    for kind in ["g4dn.xlarge", "m5.large"] {
        cloud.server.control("price", &json!({"type": kind, "az": null, "price": 0.70}));
    }
    let dear =
        Program::start(&crate::program::Place { instances: Some(mission()), ..cloud.server.place.clone() }).unwrap();
    let failed = one(dear.ask(Operation::Submit(order))).unwrap_err();
    assert_eq!(failed.class, FailedClass::NoRoom, "{failed:?}");
    assert!(
        failed.message.contains("g4dn.xlarge in us-east-1a costs 0.70 an hour, above max_price 0.20"),
        "{failed:?}"
    );
    assert_eq!(failed.help.as_deref(), Some("raise max_price, name other types, or wait until prices fall"));
}

#[test]
fn what_cannot_be_paid_or_run_is_refused_before_a_request() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let order = cloud.order("never", "true");
    let check = |order: Submit, class, words: &str| {
        let failed = cloud.submit(&order).unwrap_err();
        assert!(failed.class == class && failed.message.contains(words), "{failed:?}");
    };
    let large = Resources { gpus: 1, gpu_memory: 40 << 30, ..Resources::default() };
    check(
        Submit { resources: large, ..order.clone() },
        FailedClass::Invalid,
        "the T4 of g4dn.xlarge has 16 GiB of memory, and 40 GiB are wanted",
    );
    check(Submit { spent: 4.99, ..order.clone() }, FailedClass::Denied, "4.99 of the budget of 5.00");
    let newer = Bundle { glibc: Some("2.41".into()), ..order.bundle.clone() };
    check(
        Submit { bundle: newer, ..order.clone() },
        FailedClass::Invalid,
        "the programs need glibc 2.41, and the image has 2.35",
    );
    check(Submit { token: "a b".into(), ..order }, FailedClass::Invalid, "the token");
    assert_eq!(cloud.launched(), 0);
}

#[test]
fn a_boot_that_fails_says_why_and_ends_the_instance() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let mut order = cloud.order("setup", "echo never");
    order.setup = Some(cloud.script("setup.sh", "echo about to fail; exit 7"));
    let ended = cloud.ended(&cloud.submit(&order).unwrap().id);
    assert_eq!(ended.end, Some(Ended::Failed));
    assert_eq!(ended.why, "the script of user_data ended with exit status 7");
    let log = cloud.log(&ended.id, None).text;
    assert!(log.contains("about to fail") && !log.contains("never"), "{log}");

    // Other bytes than those that were sent.
    let order = Submit { attempt: 2, ..cloud.order("bytes", "echo never") };
    cloud.program.put_text("blobs/pipe", "#!/bin/sh\necho other\n");
    let ended = cloud.ended(&cloud.submit(&order).unwrap().id);
    assert_eq!(ended.end, Some(Ended::Failed));
    assert!(ended.why.contains("it has another checksum than the file that was sent"), "{ended:?}");

    let order = Submit { attempt: 3, ..cloud.order("status", "exit 3") };
    let ended = cloud.ended(&cloud.submit(&order).unwrap().id);
    assert_eq!((ended.end, ended.why.as_str()), (Some(Ended::Failed), "the command ended with exit status 3"));
    assert!(cloud.living().is_empty());
}

#[test]
fn a_notice_reaches_the_command_and_a_kill_needs_none() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let waits = "trap 'echo checkpoint; exit 75' TERM; echo works; while :; do sleep 0.05; done";
    let instance = cloud.submit(&cloud.order("notice", waits)).unwrap();
    cloud.says(&instance.id, "works");
    cloud.server.control("interrupt", &json!({"id": instance.id, "notice": 12_000}));
    let ended = cloud.ended(&instance.id);
    let log = cloud.log(&instance.id, None).text;
    assert_eq!(ended.end, Some(Ended::Finished), "{log}");
    assert!(log.contains("EC2 takes the instance back in two minutes") && log.contains("checkpoint"), "{log}");

    let instance = cloud.submit(&Submit { attempt: 2, ..cloud.order("kill", waits) }).unwrap();
    cloud.says(&instance.id, "works");
    cloud.server.control("kill", &json!({"id": instance.id}));
    let ended = cloud.ended(&instance.id);
    assert_eq!((ended.end, ended.why.as_str()), (Some(Ended::Interrupted), "EC2 took the spot instance back"));

    let instance = cloud.submit(&Submit { attempt: 3, ..cloud.order("stop", waits) }).unwrap();
    cloud.says(&instance.id, "works");
    cloud.stop(&instance.id).unwrap();
    assert_eq!(cloud.ended(&instance.id).end, Some(Ended::Stopped));
    assert_eq!(cloud.stop(&instance.id).unwrap().state, State::Ended, "a second time changes nothing");
}

#[test]
fn the_dead_mans_switch_ends_what_hangs() {
    // Ten minutes last a good half of a second.
    let Some(cloud) = Cloud::new(&with("max_lifetime", json!("10m")), "0.005") else { return };
    let instance = cloud.submit(&cloud.order("hangs", "trap '' TERM; while :; do sleep 1; done")).unwrap();
    let ended = cloud.ended(&instance.id);
    assert_eq!(ended.state, State::Ended);
    assert!(cloud.living().is_empty());
}

#[test]
fn a_reap_ends_what_has_expired_of_this_workspace_and_nothing_else() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let ours = cloud.submit(&cloud.order("ours", "sleep 600")).unwrap();
    let request = &cloud.requests("CreateLaunchTemplate")[0];
    let tags = fields(request);
    let (name, _) = tags.iter().find(|(_, value)| value == "pipe:workspace").unwrap();
    let workspace = &tags.iter().find(|(field, _)| *field == name.replace(".Key", ".Value")).unwrap().1;
    let launch = |workspace: &str, lifetime: &str| {
        let tags = [
            ("pipe:workspace", workspace),
            ("pipe:lifetime", lifetime),
            ("pipe:action", ACTION),
            ("pipe:attempt", "9"),
        ];
        let mut form = String::from(
            "Action=RunInstances&ImageId=ami-12345678&MinCount=1&MaxCount=1&InstanceType=g4dn.xlarge\
            &TagSpecification.1.ResourceType=instance",
        );
        for (index, (key, value)) in tags.iter().enumerate() {
            form += &format!(
                "&TagSpecification.1.Tag.{}.Key={key}&TagSpecification.1.Tag.{}.Value={value}",
                index + 1,
                index + 1
            );
        }
        let answer = cloud.server.ask("ec2", &form);
        answer.split_once("<instanceId>").unwrap_or_else(|| panic!("{answer}")).1.split('<').next().unwrap().to_owned()
    };
    let template = |name: &str, workspace: &str| {
        let form = format!(
            "Action=CreateLaunchTemplate&LaunchTemplateName={name}&LaunchTemplateData.InstanceType=m5.large\
            &TagSpecification.1.ResourceType=launch-template&TagSpecification.1.Tag.1.Key=pipe:workspace\
            &TagSpecification.1.Tag.1.Value={workspace}"
        );
        let answer = cloud.server.ask("ec2", &form);
        assert!(answer.contains("<launchTemplateId>"), "{answer}");
    };
    template("of-others", "another");
    template("of-a-killed-client", workspace);
    // A lifetime of 0 seconds is over at the next second.
    let (foreign, fresh, expired) = (launch("another", "0"), launch(workspace, "3600"), launch(workspace, "0"));
    let mut reaped = Vec::new();
    while reaped.is_empty() {
        reaped = many(cloud.program.ask(Operation::Reap(Reap {})));
    }
    assert_eq!(reaped.iter().map(|instance| &instance.id).collect::<Vec<_>>(), [&expired]);
    cloud.ended(&expired);
    let mut living: Vec<_> = cloud.living().into_iter().map(|instance| instance.id).collect();
    living.sort();
    let mut expected = vec![ours.id, fresh];
    expected.sort();
    assert_eq!(living, expected);
    assert_eq!(cloud.server.state()["vms"][&foreign]["state"], "running");
    let templates = cloud.server.ask("ec2", "Action=DescribeLaunchTemplates");
    assert!(templates.contains("of-others") && !templates.contains("of-a-killed-client"), "{templates}");
    // Nor is it stopped or described when it is named.
    let failed = cloud.stop(&foreign).unwrap_err();
    assert!(failed.message.contains("of this workspace"), "{failed:?}");
    assert_eq!(cloud.server.state()["vms"][&foreign]["state"], "running");
}

#[test]
fn an_error_of_ec2_says_what_to_do() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let order = cloud.order("words", "true");
    for (status, code, message, class, words) in [
        (403, "UnauthorizedOperation", SECRET, FailedClass::Denied, "docs/policies/launcher.json"),
        (401, "AuthFailure", "no", FailedClass::Credentials, "aws sts get-caller-identity"),
        (400, "RequestExpired", "no", FailedClass::Credentials, "aws sso login"),
        (403, "UnauthorizedOperation", "to perform: iam:PassRole on resource", FailedClass::Denied, "iam:PassRole"),
    ] {
        cloud.server.faults(
            json!([{"op": "http", "svc": "ec2", "status": status, "code": code, "message": message, "times": 1}]),
        );
        let failed = cloud.submit(&order).unwrap_err();
        assert_eq!(failed.class, class, "{failed:?}");
        assert!(failed.help.as_deref().unwrap_or_default().contains(words), "{failed:?}");
        assert!(!format!("{failed:?}").contains(SECRET), "{failed:?}");
    }
    let settings =
        |place: Value| Program::start(&crate::program::Place { instances: Some(place), ..cloud.server.place.clone() });
    let wrong = settings(with("max_price", json!(0))).err().unwrap();
    assert!(wrong.class == FailedClass::Invalid && wrong.message.contains("`max_price`"), "{wrong:?}");
    assert_eq!(settings(json!({"moon": {}})).err().unwrap().class, FailedClass::Unsupported);
}
