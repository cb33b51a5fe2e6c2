#!/usr/bin/env python3
"""testcloud: moto over real HTTP on loopback, plus the parts of AWS that moto leaves out, done with real processes.

  EC2        every launched instance becomes a real child process that runs its user-data, with its own IMDS;
             ClientToken idempotency, spot price cap, scripted capacity errors, CreateFleet(instant) with Errors,
             2-minute (scaled) interruption notice, rebalance recommendation, SIGKILL, console output.
  SageMaker  CreateTrainingJob runs ContainerEntrypoint+ContainerArguments as a real process in an /opt/ml layout,
             with File/FastFile channels, checkpoint sync, spot interruption + restart, StopTrainingJob, Max*Exceeded,
             failure file, CloudWatch logs, model.tar.gz upload, Billable/TrainingTimeInSeconds.
  S3         request checksums really verified (moto accepts wrong ones); scripted answers, latency, lost answers, damaged
             bodies, broken connections, and a store that ignores the conditions of writes. Faults of S3, each with optional
             `method`, `key` (a regular expression on path?query&) and `times`:
               {"op": "http", "status": 503, "code": "SlowDown", "headers": {..}, "latency": s}   answered in S3's place
               {"op": "lost"}                 done, and the answer is a 500
               {"op": "damage"}               a byte of the body arrives changed
               {"op": "cut", "after": n}      n bytes of the answer's body, then the connection closes
               {"op": "ignore_conditions"}    If-Match and If-None-Match are not seen

  testcloud.py --port 0 --dir DIR   -> prints one JSON line {"endpoint":..., "control":..., "pid":...}
Control API (POST, JSON): /ctl/interrupt /ctl/rebalance /ctl/faults /ctl/price /ctl/shutdown
 /ctl/sm_interrupt {job, abrupt: without SIGTERM} ;
 GET /ctl/state (instances, jobs, calls made, cost ledger), /ctl/count (how many calls).
Only loopback; no docker; no root needed.
"""
import argparse, base64, gzip, hashlib, json, os, re, shutil, signal, subprocess, sys, tarfile, tempfile, threading, time, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
os.environ.pop("AWS_CA_BUNDLE", None)
os.environ.setdefault("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")
os.environ.setdefault("MOTO_ENABLE_KEYPAIR_VALIDATION", "true")
import boto3
from botocore.config import Config
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.ec2.responses import EC2Response
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.fleets import Fleets
from moto.ec2.responses.spot_instances import SpotInstances
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import Instance, StateReason
from moto.s3.models import s3_backends
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemaker import models as smm

REGION = "us-east-1"
LOCK = threading.RLock()

class St:                                        # all of the test cloud's state
    scale = 1.0                                  # one AWS second lasts `scale` real seconds
    endpoint = control = ""
    dir = ""
    tokens = {}                                  # (action, ClientToken) -> (request digest, result)
    prices = {}                                  # (type, az) -> $/h ; default below
    default_price = {"g4dn.xlarge": 0.158, "g5.xlarge": 0.40, "g6.xlarge": 0.32}
    ondemand = {"g4dn.xlarge": 0.526, "g5.xlarge": 1.006, "g6.xlarge": 0.805}
    faults = []                                  # [{op, type?, az?, code, message?, times, latency?, cut?}]
    calls = []                                   # every API call in order: (t, service, op, code)
    requests = []                                # [op, body] of the calls to EC2 and SageMaker, as they came
    readers = []                                 # [op, access key] of the calls to SSM and Secrets Manager: who reads a secret
    vms = {}                                     # instance id -> VM
    jobs = {}                                    # training job name -> TrainingRun
    lifetime_log = []

def log(*a):
    with LOCK: St.lifetime_log.append(f"{time.time():.2f} " + " ".join(map(str, a)))

from moto.ec2.exceptions import EC2ClientError
from moto.sagemaker.exceptions import SagemakerClientError
def err(code, msg): return EC2ClientError(code, msg)      # moto picks the wire format from the exception's module
def smerr(code, msg): return SagemakerClientError(code, msg)

def take_fault(op, **kw):
    with LOCK:
        for f in St.faults:
            if f["op"] == op and f.get("times", 1) > 0 and all(f.get(k) in (None, v) for k, v in kw.items()):
                f["times"] = f.get("times", 1) - 1
                return f
    return None

def s3_fault(op, env):
    meth, path = env["REQUEST_METHOD"], env.get("PATH_INFO", "") + "?" + env.get("QUERY_STRING", "") + "&"
    with LOCK:
        for f in St.faults:
            if f["op"] == op and f.get("svc", "s3") == "s3" and f.get("times", 1) > 0 and f.get("method") in (None, meth) and re.search(f.get("key", ""), path):
                f["times"] = f.get("times", 1) - 1
                return f
    return None

def cut_after(n, answer):
    for chunk in answer:
        yield chunk[:n]; n -= len(chunk)
        if n <= 0: raise ConnectionAbortedError("cut")

def price(t, az): return St.prices.get((t, az), St.prices.get((t, None), St.default_price.get(t, 0.5)))

# ------------------------------------------------------------------------------------------------ IMDS
class IMDS(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def _send(self, code, body=b"", ct="text/plain"):
        if isinstance(body, str): body = body.encode()
        self.send_response(code); self.send_header("Content-Type", ct); self.send_header("Content-Length", str(len(body)))
        self.end_headers(); self.wfile.write(body)
    def do_PUT(self):
        if self.path == "/latest/api/token":
            ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
            if not ttl: return self._send(400)
            b = self.server.vm.token.encode(); self.send_response(200)
            self.send_header("X-aws-ec2-metadata-token-ttl-seconds", ttl)      # the Rust SDK refuses a token without it (boto does not care)
            self.send_header("Content-Length", str(len(b))); self.end_headers(); self.wfile.write(b); return
        self._send(404)
    def do_GET(self):
        vm, p = self.server.vm, self.path.rstrip("/")
        if self.headers.get("X-aws-ec2-metadata-token") != vm.token: return self._send(401)   # IMDSv2 only
        i = vm.inst
        m = {"/latest/meta-data/instance-id": i.id, "/latest/meta-data/instance-type": i.instance_type,
             "/latest/meta-data/instance-life-cycle": "spot" if vm.spot else "on-demand",
             "/latest/meta-data/placement/availability-zone": vm.az, "/latest/meta-data/placement/region": REGION,
             "/latest/user-data": vm.user_data, "/latest/meta-data/iam/security-credentials": "pipe-worker",
             "/latest/meta-data/iam/security-credentials/pipe-worker": json.dumps({"Code":"Success","Type":"AWS-HMAC",
                "AccessKeyId":"ASIATEST","SecretAccessKey":"s","Token":"t","LastUpdated":"2026-01-01T00:00:00Z","Expiration":"2099-01-01T00:00:00Z"}),
             "/latest/dynamic/instance-identity/document": json.dumps({"instanceId":i.id,"region":REGION,"availabilityZone":vm.az,"instanceType":i.instance_type,"accountId":"123456789012"})}
        if vm.notice: m["/latest/meta-data/spot/instance-action"] = json.dumps(vm.notice); m["/latest/meta-data/spot/termination-time"] = vm.notice["time"]
        if vm.rebalance: m["/latest/meta-data/events/recommendations/rebalance"] = json.dumps({"noticeTime": vm.rebalance})
        for t in i.get_tags(): m["/latest/meta-data/tags/instance/" + t["key"]] = t["value"]
        if p in m: return self._send(200, m[p])
        self._send(404)

def iso(t): return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))

# ------------------------------------------------------------------------------------------------ EC2
class EndedInstance(Instance):
    __module__ = Instance.__module__                # moto reads the name of the service off it
    state_reason = property(lambda self: self.final[0], lambda self, other: None)
    _reason = property(lambda self: self.final[1], lambda self, other: None)

class VM:
    """One 'instance': a real process group running the user-data, with its own IMDS and its own disk."""
    def __init__(self, inst, spot, az, max_price=None):
        self.inst, self.spot, self.az, self.max_price = inst, spot, az, max_price
        self.token, self.notice, self.rebalance = uuid.uuid4().hex, None, None
        self.t0, self.t1, self.reason, self.proc = time.time(), None, None, None
        raw = inst.user_data
        if isinstance(raw, list): raw = raw[0] if raw else None
        raw = base64.b64decode(str(raw)) if raw else b""
        if raw[:2] == b"\x1f\x8b": raw = gzip.decompress(raw)         # cloud-init accepts gzip'd user-data
        self.user_data = raw
        self.root = os.path.join(St.dir, "vm", inst.id); os.makedirs(self.root + "/bin")
        self.imds = ThreadingHTTPServer(("127.0.0.1", 0), IMDS); self.imds.vm = self; self.imds.daemon_threads = True
        threading.Thread(target=self.imds.serve_forever, daemon=True).start()
        threading.Thread(target=self.boot, daemon=True).start()
    def env(self):
        e = {"PATH": self.root + "/bin:" + os.environ["PATH"], "HOME": self.root, "LANG": "C.UTF-8",
             "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{self.imds.server_port}/",   # honoured by every AWS SDK
             "AWS_ENDPOINT_URL": St.endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
             "PIPE_IMDS": f"http://127.0.0.1:{self.imds.server_port}", "PIPE_TEST_ROOT": self.root}
        return e                                  # note: NO credentials in env: they must come from IMDS, as on EC2
    def boot(self):
        f = take_fault("Boot", type=self.inst.instance_type, az=self.az)
        for n in ("shutdown", "poweroff", "halt"):
            p = f"{self.root}/bin/{n}"                # `shutdown -h +N` comes N (scaled) minutes later, at once otherwise
            post = f"curl -s -XPOST -d '{{\"id\":\"{self.inst.id}\"}}' {St.control}/ctl/shutdown"
            open(p, "w").write(f"#!/bin/sh\ncase $2 in +[0-9]*) (sleep $(awk \"BEGIN {{print ${{2#+}} * 60 * {St.scale}}}\"); {post}) >/dev/null 2>&1 & ;; *) exec {post} ;; esac\n"); os.chmod(p, 0o755)
        if f and f["code"] == "hang": return       # instance that never comes up: client must time out & replace
        if not self.user_data.startswith(b"#!"): return
        ud = self.root + "/user-data"; open(ud, "wb").write(self.user_data); os.chmod(ud, 0o700)
        with LOCK:
            if self.t1: return
            self.proc = subprocess.Popen([ud], cwd=self.root, env=self.env(), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=open(self.root + "/console.log", "ab"), stderr=subprocess.STDOUT)
        log("vm-boot", self.inst.id, self.inst.instance_type, self.az, "pid", self.proc.pid)
        rc = self.proc.wait(); log("vm-userdata-exit", self.inst.id, rc)   # the instance stays 'running', as on EC2
    def kill(self, code, msg, grace=0.0):
        with LOCK:
            if self.t1: return
            self.t1 = time.time(); self.reason = code
        if self.proc:
            try:
                if grace and self.proc.poll() is None: os.killpg(self.proc.pid, signal.SIGTERM); self.proc.wait(grace)
            except (subprocess.TimeoutExpired, ProcessLookupError): pass
            try: os.killpg(self.proc.pid, signal.SIGKILL)
            except ProcessLookupError: pass
        b = ec2_backends["123456789012"][REGION]
        # first the reason, which moto's own does not replace: nobody sees an instance that has ended with another one
        self.inst.__dict__["final"] = StateReason(msg, code), msg; self.inst.__class__ = EndedInstance
        if self.inst._state.name not in ("terminated", "shutting-down"):
            b.terminate_instances([self.inst.id])
        self.imds.shutdown(); self.imds.server_close(); log("vm-dead", self.inst.id, code)
        for dp, _, fs in os.walk(self.root):                          # the disk goes with the machine; what is small stays, for the tests to look at
            for f in (os.path.join(dp, f) for f in fs):
                try: os.path.getsize(f) > 1 << 20 and os.unlink(f)
                except FileNotFoundError: pass
    def interrupt(self, notice_s=120.0):
        end = time.time() + notice_s * St.scale
        self.notice = {"action": "terminate", "time": iso(end)}
        log("vm-notice", self.inst.id, notice_s)
        threading.Timer(notice_s * St.scale, lambda: self.kill("Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Spot instance termination")).start()
    def cost(self):
        h = ((self.t1 or time.time()) - self.t0) / St.scale / 3600
        return h * (price(self.inst.instance_type, self.az) if self.spot else St.ondemand.get(self.inst.instance_type, 1.0))

def req_digest(resp): return hashlib.sha256(json.dumps(resp._get_params() if hasattr(resp, "_get_params") else str(resp.querystring), sort_keys=True, default=str).encode()).hexdigest()

def pool_check(op, itype, az, spot, max_price):
    f = take_fault(op, type=itype, az=az)
    if f: raise err(f["code"], f.get("message", f["code"]))
    if spot and max_price is not None and float(max_price) < price(itype, az):
        raise err("SpotMaxPriceTooLow", f"Your Spot request price of {max_price} is lower than the minimum required Spot request fulfillment price of {price(itype, az)}.")

_run = InstanceResponse.run_instances
def run_instances(self):
    tok = self._get_param("ClientToken"); dg = req_digest(self)
    mo = self._get_param("InstanceMarketOptions", {}) or {}
    spot = mo.get("MarketType") == "spot"; mp = (mo.get("SpotOptions") or {}).get("MaxPrice")
    itype = self._get_param("InstanceType", "m1.small"); az = self._get_param("Placement.AvailabilityZone")
    if not az and (sn := self._get_param("SubnetId")): az = self.ec2_backend.get_subnet(sn).availability_zone
    az = az or REGION + "a"
    with LOCK:
        if tok and ("run", tok) in St.tokens:
            d0, r0 = St.tokens[("run", tok)]
            if d0 != dg: raise err("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
            return ActionResult(r0)
        if not self._get_param("DryRun"): pool_check("RunInstances", itype, az, spot, mp)
        ar = _run(self); res = ar.result
        for i in res.instances: St.vms[i.id] = VM(i, spot, az, mp)
        if tok: St.tokens[("run", tok)] = (dg, res)
        f = take_fault("RunInstancesAfter")        # launched, but the answer is lost: the double-launch test
        if f: raise err(f["code"], f.get("message", "lost answer"))
    return ar

def create_fleet(self):
    tok = self._get_param("ClientToken"); dg = req_digest(self)
    with LOCK:
        if tok and ("fleet", tok) in St.tokens:
            d0, r0 = St.tokens[("fleet", tok)]
            if d0 != dg: raise err("IdempotentParameterMismatch", "inconsistent with arguments used in previous request(s).")
            return ActionResult(r0)
        self.error_on_dryrun()
        tcs = self._get_param("TargetCapacitySpecification", {}); n = int(tcs.get("TotalTargetCapacity", 1))
        spot = tcs.get("DefaultTargetCapacityType") == "spot"
        tags = {}
        for ts in self._get_param("TagSpecifications", []) or []:
            if ts["ResourceType"] == "instance": tags = {t["Key"]: t["Value"] for t in ts.get("Tags") or ts.get("Tag") or []}
        pools, errors, insts = [], [], []
        for c in self._get_param("LaunchTemplateConfigs", []):
            lt = c["LaunchTemplateSpecification"]
            for o in c.get("Overrides") or [{}]: pools.append((lt, o))
        def paz(o): return o.get("AvailabilityZone") or (self.ec2_backend.get_subnet(o["SubnetId"]).availability_zone if o.get("SubnetId") else REGION + "a")
        pools.sort(key=lambda p: price(p[1].get("InstanceType"), paz(p[1])))
        for lt, o in pools:
            if len(insts) >= n: break
            t = o.get("InstanceType"); az = paz(o)
            try: pool_check("CreateFleet", t, az, spot, o.get("MaxPrice"))
            except ServiceException as e:
                errors.append({"LaunchTemplateAndOverrides": {"LaunchTemplateSpecification": lt, "Overrides": o}, "Lifecycle": "spot" if spot else "on-demand", "ErrorCode": e.code, "ErrorMessage": e.message}); continue
            tmpl = self.ec2_backend._get_template_from_args(lt).data
            it = dict(tags)
            for ts in tmpl.get("TagSpecifications", []):
                if ts["ResourceType"] == "instance": it = {x["Key"]: x["Value"] for x in ts.get("Tags") or ts.get("Tag") or []} | it
            r = self.ec2_backend.run_instances(tmpl.get("ImageId"), n - len(insts), tmpl.get("UserData"), [], launch_template=lt, instance_type=t, is_instance_type_default=False,
                    placement=az, region_name=REGION, instance_market_options="spot" if spot else None, tags={"instance": it},
                    instance_initiated_shutdown_behavior=tmpl.get("InstanceInitiatedShutdownBehavior"), client_token=tok)
            for i in r.instances: St.vms[i.id] = VM(i, spot, az, o.get("MaxPrice")); insts.append(i)
            insts_desc = [{"LaunchTemplateAndOverrides": {"LaunchTemplateSpecification": lt, "Overrides": o}, "Lifecycle": "spot" if spot else "on-demand", "InstanceIds": [i.id for i in r.instances], "InstanceType": t}]
        res = {"FleetId": "fleet-" + str(uuid.uuid4()), "Errors": errors, "Instances": insts_desc if insts else []}
        if tok: St.tokens[("fleet", tok)] = (dg, res)
    return ActionResult(res)

_term = InstanceResponse.terminate_instances
def terminate_instances(self):
    ids = self._get_param("InstanceIds", []); r = _term(self)
    for i in ids:
        if i in St.vms: threading.Thread(target=St.vms[i].kill, args=("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown", 1.0), daemon=True).start()
    return r

_di = InstanceResponse.describe_instances
def describe_instances(self):                     # moto lacks the client-token filter, which crash recovery needs
    flt = self._get_param("Filters", []) or []
    ct = next((f.get("Values") or f.get("Value") for f in flt if f["Name"] == "client-token"), None)
    if ct is None: return _di(self)
    import moto.ec2.utils as u
    if "client-token" not in u.filter_dict_attribute_mapping: u.filter_dict_attribute_mapping["client-token"] = "client_token"
    return _di(self)

def describe_spot_price_history(self):
    types = self._get_param("InstanceTypes", []); flt = {f["Name"]: (f.get("Values") or f.get("Value")) for f in self._get_param("Filters", []) or []}
    azs = flt.get("availability-zone") or [REGION + x for x in "abc"]
    return ActionResult({"SpotPriceHistory": [{"AvailabilityZone": a, "InstanceType": t, "ProductDescription": "Linux/UNIX", "SpotPrice": f"{price(t, a):.6f}", "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())} for t in types for a in azs]})

def get_console_output(self):
    iid = self._get_param("InstanceId"); vm = St.vms.get(iid)
    out = open(vm.root + "/console.log", "rb").read()[-65536:] if vm and os.path.exists(vm.root + "/console.log") else b""
    return ActionResult({"InstanceId": iid, "Output": base64.b64encode(out).decode(), "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())})

for cls in (InstanceResponse, EC2Response):
    cls.run_instances, cls.terminate_instances, cls.describe_instances = run_instances, terminate_instances, describe_instances
    cls.get_console_output = get_console_output
Fleets.create_fleet = EC2Response.create_fleet = create_fleet
SpotInstances.describe_spot_price_history = EC2Response.describe_spot_price_history = describe_spot_price_history

# ------------------------------------------------------------------------------------------------ SageMaker
def client(s): return boto3.client(s, endpoint_url=St.endpoint, region_name=REGION, aws_access_key_id="platform", aws_secret_access_key="x", config=Config(s3={"addressing_style": "path"}))
def s3split(u): m = re.match(r"s3://([^/]+)/?(.*)", u); return m.group(1), m.group(2)

class TrainingRun:
    def __init__(self, job, env, retry):
        self.job, self.envmap, self.retry = job, env or {}, retry
        self.stop = threading.Event(); self.interrupt = threading.Event(); self.abrupt = False; self.proc = None; self.attempt = 0
        job.training_job_status, job.secondary_status = "InProgress", "Starting"
        job.secondary_status_transitions = []; job.final_metric_data_list = []; job.training_start_time = job.training_end_time = None
        job.failure_reason = None; job.environment = env; job.retry_strategy = retry; job.billable_time_in_seconds = None; job.training_time_in_seconds = None
        job.model_artifacts = {}
        self.set("InProgress", "Starting", "Starting the training job")
        self.root = os.path.join(St.dir, "sm", job.training_job_name); os.makedirs(self.root)
        self.t = threading.Thread(target=self.main, daemon=True); self.t.start()
    def set(self, st, sec, msg, failure=None):
        from moto.core.utils import utcnow
        j = self.job; now = utcnow()
        with LOCK:
            if j.secondary_status_transitions: j.secondary_status_transitions[-1]["EndTime"] = now
            j.secondary_status_transitions.append({"Status": sec, "StartTime": now, "StatusMessage": msg})
            j.training_job_status, j.secondary_status, j.last_modified_time = st, sec, now
            if failure: j.failure_reason = failure
            if st in ("Completed", "Failed", "Stopped"): j.training_end_time = now; j.secondary_status_transitions[-1]["EndTime"] = now
        log("sm", j.training_job_name, st, sec, failure or "")
    def fetch(self, uri, dest):
        b, p = s3split(uri); s3 = client("s3"); n = 0; os.makedirs(dest, exist_ok=True)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=b, Prefix=p):
            for o in page.get("Contents", []):
                rel = o["Key"][len(p):].lstrip("/") or os.path.basename(o["Key"]); f = os.path.join(dest, rel); os.makedirs(os.path.dirname(f), exist_ok=True); s3.download_file(b, o["Key"], f); n += 1
        return n
    def sync_ck(self, final=False):
        cc = self.job.checkpoint_config
        if not cc: return
        b, p = s3split(cc["S3Uri"]); s3 = client("s3"); d = self.root + "/opt/ml/checkpoints"
        for dp, _, fs in os.walk(d):
            for f in fs:
                full = os.path.join(dp, f); k = os.path.relpath(full, d); m = (os.path.getmtime(full), os.path.getsize(full))
                if self.seen.get(k) != m:
                    try: s3.upload_file(full, b, (p.rstrip("/") + "/" if p else "") + k); self.seen[k] = m
                    except FileNotFoundError: pass
    def main(self):
        j = self.job; sc = j.stopping_condition; S = St.scale; t_create = time.time(); trained = 0.0
        try:
            while True:
                self.attempt += 1; self.interrupt.clear(); self.seen = {}
                f = take_fault("sm:Launch", type=j.resource_config.get("InstanceType"))
                if f and f["code"] == "CapacityError":
                    self.set("Failed", "Failed", f.get("message", ""), f.get("message") or "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."); return
                shutil.rmtree(self.root + "/opt", ignore_errors=True); ml = self.root + "/opt/ml"
                for d in ("input/config", "input/data", "model", "output/data", "checkpoints", "code"): os.makedirs(f"{ml}/{d}")
                self.set("InProgress", "Downloading", "Downloading input data")
                chans = {}
                for c in j.input_data_config or []:
                    s = c["DataSource"]["S3DataSource"]; self.fetch(s["S3Uri"], f"{ml}/input/data/{c['ChannelName']}")
                    chans[c["ChannelName"]] = {"TrainingInputMode": c.get("InputMode", j.algorithm_specification.get("TrainingInputMode", "File")), "S3DistributionType": s.get("S3DataDistributionType", "FullyReplicated"), "RecordWrapperType": "None"}
                json.dump(j.hyper_parameters or {}, open(f"{ml}/input/config/hyperparameters.json", "w")); json.dump(chans, open(f"{ml}/input/config/inputdataconfig.json", "w"))
                json.dump({"current_host": "algo-1", "current_instance_type": j.resource_config["InstanceType"], "current_group_name": "homogeneousCluster", "hosts": ["algo-1"], "instance_groups": [{"instance_group_name": "homogeneousCluster", "instance_type": j.resource_config["InstanceType"], "hosts": ["algo-1"]}], "network_interface_name": "lo"}, open(f"{ml}/input/config/resourceconfig.json", "w"))
                if j.checkpoint_config: self.fetch(j.checkpoint_config["S3Uri"], f"{ml}/checkpoints")
                self.set("InProgress", "Training", "Training image download completed. Training in progress.")
                from moto.core.utils import utcnow
                if not j.training_start_time: j.training_start_time = utcnow()
                a = j.algorithm_specification; cmd = (a.get("ContainerEntrypoint") or []) + (a.get("ContainerArguments") or (["train"] if not a.get("ContainerEntrypoint") else []))
                env = {"PATH": os.environ["PATH"], "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "TRAINING_JOB_NAME": j.training_job_name, "TRAINING_JOB_ARN": j.arn, "AWS_ENDPOINT_URL": St.endpoint,
                       "AWS_CONTAINER_CREDENTIALS_FULL_URI": St.control + "/ctl/creds", "PIPE_SM_ROOT": ml, **self.envmap}
                r0 = time.time(); self.proc = subprocess.Popen([x.replace("/opt/ml", ml) for x in cmd], cwd=self.root, env=env, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                threading.Thread(target=self.pump, args=(self.proc, f"{j.training_job_name}/algo-1-{int(r0)}"), daemon=True).start()
                why = None; ck = time.time()
                while self.proc.poll() is None:
                    time.sleep(0.05); now = time.time()
                    if now - ck > 0.2: self.sync_ck(); ck = now
                    if self.stop.is_set(): why = "stop"
                    elif self.interrupt.is_set(): why = "interrupt"
                    elif trained + (now - r0) > sc.get("MaxRuntimeInSeconds", 86400) * S: why = "maxrun"
                    elif j.enable_managed_spot_training and now - t_create > sc.get("MaxWaitTimeInSeconds", 1e9) * S: why = "maxwait"
                    if why:
                        if why == "stop": self.set("Stopping", "Stopping", "Stopping the training job")
                        log("sm", j.training_job_name, "SIGTERM", why)
                        os.killpg(self.proc.pid, signal.SIGKILL if self.abrupt and why == "interrupt" else signal.SIGTERM)
                        try: self.proc.wait(max(120 * S, 3))
                        except subprocess.TimeoutExpired: os.killpg(self.proc.pid, signal.SIGKILL); self.proc.wait(); log("sm", j.training_job_name, "SIGKILL")
                        break
                trained += time.time() - r0; rc = self.proc.returncode; self.sync_ck()
                j.training_time_in_seconds = int((time.time() - t_create) / S); j.billable_time_in_seconds = max(1, int(trained / S))
                if why == "interrupt":
                    self.set("InProgress", "Interrupted", "Managed Spot Training job interrupted: restarting"); self.set("InProgress", "Starting", "Preparing the instances for training"); continue
                if why in (None, "stop", "maxrun", "maxwait"):
                    if why is None and rc != 0:
                        fr = f"{ml}/output/failure"; txt = open(fr).read()[:1024] if os.path.exists(fr) else ""
                        self.set("Failed", "Failed", "Training job failed", f"AlgorithmError: {txt}, exit code: {rc}"); return
                    self.set("Stopping" if why else "InProgress", "Uploading", "Uploading generated training model")
                    b, p = s3split(j.output_data_config["S3OutputPath"])
                    for d, n in (("model", "model.tar.gz"), ("output/data", "output.tar.gz")):
                        if not os.listdir(f"{ml}/{d}") and d != "model": continue
                        with tarfile.open(f"{self.root}/{n}", "w:gz") as t: t.add(f"{ml}/{d}", arcname=".")
                        k = (p.rstrip("/") + "/" if p else "") + f"{j.training_job_name}/output/{n}"; client("s3").upload_file(f"{self.root}/{n}", b, k)
                        if d == "model": j.model_artifacts = {"S3ModelArtifacts": f"s3://{b}/{k}"}
                    if why is None: self.set("Completed", "Completed", "Training job completed")
                    else: self.set("Stopped", {"stop": "Stopped", "maxrun": "MaxRuntimeExceeded", "maxwait": "MaxWaitTimeExceeded"}[why], "Training job stopped")
                    return
        except Exception as e:
            import traceback; log("sm-internal", traceback.format_exc()); self.set("Failed", "Failed", "internal", f"InternalServerError: {e}")
    def pump(self, proc, stream):
        lg = client("logs"); g = "/aws/sagemaker/TrainingJobs"
        try: lg.create_log_group(logGroupName=g)
        except lg.exceptions.ResourceAlreadyExistsException: pass
        try: lg.create_log_stream(logGroupName=g, logStreamName=stream)
        except lg.exceptions.ResourceAlreadyExistsException: pass
        for line in proc.stdout:
            lg.put_log_events(logGroupName=g, logStreamName=stream, logEvents=[{"timestamp": int(time.time() * 1000), "message": line.decode(errors="replace").rstrip("\n") or " "}])

_ctj = SageMakerResponse.create_training_job
def create_training_job(self):
    n = self._get_param("TrainingJobName"); P = self._get_param
    if f := take_fault("CreateTrainingJob"): raise smerr(f["code"], f.get("message", f["code"]))
    if not re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", n or ""): raise smerr("ValidationException", "1 validation error detected: Value at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
    if n in self.sagemaker_backend.training_jobs: raise smerr("ResourceInUse", f"Training job names must be unique within an AWS account and Region: {n}")
    sc = P("StoppingCondition") or {}; spot = P("EnableManagedSpotTraining", False)
    if spot and "MaxWaitTimeInSeconds" not in sc: raise smerr("ValidationException", "MaxWaitTimeInSeconds above 0 is required when EnableManagedSpotTraining is true")
    if not spot and "MaxWaitTimeInSeconds" in sc: raise smerr("ValidationException", "MaxWaitTimeInSeconds is not allowed without EnableManagedSpotTraining")
    if spot and sc["MaxWaitTimeInSeconds"] < sc.get("MaxRuntimeInSeconds", 86400): raise smerr("ValidationException", "MaxWaitTimeInSeconds must be greater than or equal to MaxRuntimeInSeconds")
    env = P("Environment") or {}
    if len(env) > 100 or any(len(v) > 512 for v in env.values()): raise smerr("ValidationException", "Environment: at most 100 entries of 512 characters")
    r = _ctj(self); St.jobs[n] = TrainingRun(self.sagemaker_backend.training_jobs[n], env, P("RetryStrategy"))
    return r
def stop_training_job(self):
    n = self._get_param("TrainingJobName"); j = self.sagemaker_backend.training_jobs.get(n)
    if not j: raise smerr("ResourceNotFound", "Requested resource not found.")
    if j.training_job_status != "InProgress": raise smerr("ValidationException", f"The request was rejected because the training job is in status {j.training_job_status}.")
    St.jobs[n].stop.set(); return EmptyResult()
SageMakerResponse.create_training_job, SageMakerResponse.stop_training_job = create_training_job, stop_training_job

# ------------------------------------------------------------------------------------------------ S3 truth + faults (WSGI layer)
def complete_upload(app, env, sr):
    """CompleteMultipartUpload as S3 has it: moto does not see If-Match there, and names the answer's root element otherwise."""
    if want := env.get("HTTP_IF_MATCH"):
        bucket, key = env["PATH_INFO"][1:].split("/", 1); there = s3_backends["123456789012"]["aws"].get_object(bucket, key)
        if there is None or there.etag.strip('"') != want.strip('"'):
            status, code = ("404 Not Found", "NoSuchKey") if there is None else ("412 Precondition Failed", "PreconditionFailed")
            sr(status, [("Content-Type", "application/xml")]); return [f"<Error><Code>{code}</Code><Message></Message></Error>".encode()]
    got = []
    body = b"".join(app(env, lambda status, headers, exc=None: got.append((status, headers)))).replace(b"CompleteMultipartUploadResponse", b"CompleteMultipartUploadResult")
    status, headers = got[0]
    sr(status, [(k, v) for k, v in headers if k.lower() != "content-length"] + [("Content-Length", str(len(body)))])
    return [body]

SECRETS = ("ssm", "secretsmanager")                # the services that keep secrets; moto serves both

def fault_body(svc, f):
    code, message = f["code"], f.get("message", "injected")
    if svc == "ec2": return f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>".encode()
    if svc in ("sagemaker", "logs", *SECRETS): return json.dumps({"__type": code, "message": message}).encode()
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()

def part_of_object(env, sr):
    """A range of an object. moto reads the whole object for each, which takes long where it is a library of machine code."""
    m = re.fullmatch(r"bytes=(\d+)-(\d+)", env.get("HTTP_RANGE", "")); bucket, _, key = env["PATH_INFO"][1:].partition("/")
    there = s3_backends["123456789012"]["aws"].get_object(bucket, key) if m and not env.get("QUERY_STRING", "").replace("x-id=GetObject", "") else None
    want = env.get("HTTP_IF_MATCH", "").strip('"')
    if there is None or there.contentsize < 1 << 24 or int(m[1]) >= there.contentsize or want not in ("", there.etag.strip('"')): return None
    begin, end = int(m[1]), min(int(m[2]) + 1, there.contentsize)
    with there.lock: there._value_buffer.seek(begin); body = there._value_buffer.read(end - begin)
    sr("206 Partial Content", [("Content-Length", str(len(body))), ("Content-Range", f"bytes {begin}-{end - 1}/{there.contentsize}"), ("ETag", there.etag), ("Accept-Ranges", "bytes")])
    return [body]

class Wsgi:
    """Wraps moto's WSGI app: logs every call, injects faults, verifies S3 checksums that moto ignores."""
    def __init__(self, app): self.app = app
    def __call__(self, env, sr):
        tgt = env.get("HTTP_X_AMZ_TARGET", ""); path = env.get("PATH_INFO", ""); meth = env["REQUEST_METHOD"]
        auth = env.get("HTTP_AUTHORIZATION", ""); m = re.search(r"/\d{8}/[^/]+/([a-z0-9-]+)/aws4", auth); svc = m.group(1) if m else "?"
        op = tgt.split(".")[-1] if tgt else f"{meth} {path}" if svc == "s3" else ""
        if svc == "ec2":
            n = int(env.get("CONTENT_LENGTH") or 0); body = env["wsgi.input"].read(n); mm = re.search(rb"Action=(\w+)", body); op = mm.group(1).decode() if mm else ""
            import io; env["wsgi.input"] = io.BytesIO(body); St.requests.append([op, body.decode()])
        elif svc == "sagemaker":
            import io; body = env["wsgi.input"].read(int(env.get("CONTENT_LENGTH") or 0)); env["wsgi.input"] = io.BytesIO(body); St.requests.append([op, body.decode()])
        elif svc in SECRETS: St.readers.append([op, auth.split("Credential=")[-1].split("/")[0]])
        s3 = svc == "s3" and St.faults
        f = s3_fault("http", env) if s3 else take_fault("http", svc=svc, method=meth) if St.faults else None
        if f:
            if f.get("latency"): time.sleep(f["latency"])
            if f.get("status"):
                St.calls.append((time.time(), svc, op, f["status"])); sr(f"{f['status']} Fault", [("Content-Type", "application/xml"), *f.get("headers", {}).items()]); return [fault_body(svc, f)]
        if svc == "s3" and meth == "PUT":
            raw = env["wsgi.input"].read(int(env["CONTENT_LENGTH"])) if env.get("CONTENT_LENGTH") else (env["wsgi.input"].read() if env.get("wsgi.input_terminated") else b"")
            import io; env["wsgi.input"] = io.BytesIO(raw); env["CONTENT_LENGTH"] = str(len(raw)); env.pop("HTTP_TRANSFER_ENCODING", None)
            body, trailers = raw, {}
            if "aws-chunked" in env.get("HTTP_CONTENT_ENCODING", "") or env.get("HTTP_X_AMZ_CONTENT_SHA256", "").startswith("STREAMING"):
                pieces, at = [], 0
                while at < len(raw):
                    line = raw.index(b"\r\n", at); n = int(raw[at:line].split(b";")[0], 16); at = line + 2
                    if n == 0: break
                    pieces.append(raw[at:at + n]); at += n + 2
                body = b"".join(pieces)
                for l in raw[at:].split(b"\r\n"):
                    if b":" in l: k, v = l.split(b":", 1); trailers[k.strip().lower().decode()] = v.strip().decode()
            if s3 and body and s3_fault("damage", env): body = bytes([body[0] ^ 1]) + body[1:]
            bad = None
            want = {**{k[5:].replace("_", "-").lower(): v for k, v in env.items() if k.startswith("HTTP_X_AMZ_CHECKSUM_")}, **trailers}
            if (w := want.get("x-amz-checksum-sha256")) and base64.b64encode(hashlib.sha256(body).digest()).decode() != w: bad = "BadDigest"
            if (w := want.get("x-amz-checksum-crc32")):
                import zlib, struct
                if base64.b64encode(struct.pack(">I", zlib.crc32(body))).decode() != w: bad = "BadDigest"
            if (w := env.get("HTTP_CONTENT_MD5")) and base64.b64encode(hashlib.md5(body).digest()).decode() != w: bad = "BadDigest"
            cs = env.get("HTTP_X_AMZ_CONTENT_SHA256", "")
            if re.fullmatch(r"[0-9a-f]{64}", cs) and hashlib.sha256(body).hexdigest() != cs: bad = "XAmzContentSHA256Mismatch"
            if bad:
                St.calls.append((time.time(), svc, op, 400)); sr("400 Bad Request", [("Content-Type", "application/xml")]); return [f"<Error><Code>{bad}</Code><Message>The checksum you specified did not match the calculated checksum.</Message></Error>".encode()]
        if s3 and s3_fault("ignore_conditions", env):
            for condition in ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"): env.pop(condition, None)
        if s3 and s3_fault("lost", env):
            b"".join(self.app(env, lambda *_, **__: None)); St.calls.append((time.time(), svc, op, 500))
            sr("500 Fault", [("Content-Type", "application/xml")]); return [b"<Error><Code>InternalError</Code><Message>lost</Message></Error>"]
        cut = s3_fault("cut", env) if s3 else None
        def sr2(status, headers, exc=None): St.calls.append((time.time(), svc, op, int(status[:3]))); return sr(status, headers, exc) if exc else sr(status, headers)
        if svc == "s3" and meth == "POST" and "uploadId=" in env.get("QUERY_STRING", ""): return complete_upload(self.app, env, sr2)
        if svc == "s3" and meth == "GET" and not St.faults and (part := part_of_object(env, sr2)): return part
        answer = self.app(env, sr2)
        return cut_after(cut["after"], answer) if cut else answer

def seed(groups=(), keys=(), profiles=()):
    """What an account has already: security groups with these ids, key pairs and instance profiles with these names."""
    from moto.iam.models import iam_backends
    ec2, iam = ec2_backends["123456789012"][REGION], iam_backends["123456789012"]["aws"]
    for g in groups: group = ec2.create_security_group("named-" + g, "seeded"); group.id = g; ec2.groups[group.vpc_id][g] = group
    for k in keys: ec2.create_key_pair(k, "rsa", {})
    for p in profiles: iam.create_instance_profile(p, "/", [])

class Ctl(BaseHTTPRequestHandler):
    def log_message(self, *a): pass
    def _j(self, o, code=200):
        b = json.dumps(o, default=str).encode(); self.send_response(code); self.send_header("Content-Type", "application/json"); self.send_header("Content-Length", str(len(b))); self.end_headers(); self.wfile.write(b)
    def do_GET(self):
        if self.path == "/ctl/creds": return self._j({"AccessKeyId": "ASIASM", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"})
        if self.path == "/ctl/count": return self._j({"calls": len(St.calls)})
        if self.path == "/ctl/state":
            return self._j({"vms": {k: {"type": v.inst.instance_type, "az": v.az, "state": v.inst.state, "reason": v.reason, "spot": v.spot, "pid": v.proc.pid if v.proc else None, "alive": bool(v.proc and v.proc.poll() is None), "cost": round(v.cost(), 6), "dir": v.root} for k, v in St.vms.items()},
                "jobs": {k: {"status": v.job.training_job_status, "secondary": v.job.secondary_status, "attempts": v.attempt, "failure": v.job.failure_reason} for k, v in St.jobs.items()}, "calls": St.calls, "requests": St.requests, "readers": St.readers, "log": St.lifetime_log})
        self._j({}, 404)
    def do_POST(self):
        d = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"); p = self.path
        if p == "/ctl/interrupt": St.vms[d["id"]].interrupt(d.get("notice", 120))
        elif p == "/ctl/kill": St.vms[d["id"]].kill("Server.SpotInstanceTermination", "Server.SpotInstanceTermination: no notice")
        elif p == "/ctl/rebalance": St.vms[d["id"]].rebalance = iso(time.time())
        elif p == "/ctl/faults": St.faults = d["faults"]
        elif p == "/ctl/price": St.prices[(d["type"], d.get("az"))] = d["price"]
        elif p == "/ctl/seed": seed(**d)
        elif p == "/ctl/sm_interrupt": St.jobs[d["job"]].abrupt = d.get("abrupt", False); St.jobs[d["job"]].interrupt.set()
        elif p == "/ctl/shutdown":
            vm = St.vms[d["id"]]; beh = vm.inst.instance_initiated_shutdown_behavior or "stop"
            log("vm-shutdown", d["id"], beh)
            if beh == "terminate": threading.Thread(target=vm.kill, args=("Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown"), daemon=True).start()
            else: vm.inst.stop()            # the classic leak: a stopped instance keeps its disk bill
        else: return self._j({}, 404)
        self._j({"ok": True})

def start(port=0, dir=None, scale=1.0):
    St.dir, St.scale = dir or tempfile.mkdtemp(prefix="testcloud-"), scale; os.makedirs(St.dir, exist_ok=True)
    import moto.moto_server.threaded_moto_server as tms
    orig = tms.DomainDispatcherApplication
    tms.DomainDispatcherApplication = lambda c: Wsgi(orig(c))
    srv = ThreadedMotoServer("127.0.0.1", port, verbose=False); srv.start(); h, p = srv.get_host_and_port(); St.endpoint = f"http://{h}:{p}"
    c = ThreadingHTTPServer(("127.0.0.1", 0), Ctl); c.daemon_threads = True; threading.Thread(target=c.serve_forever, daemon=True).start(); St.control = f"http://127.0.0.1:{c.server_port}"
    import logging; logging.getLogger("werkzeug").setLevel(logging.ERROR)
    return St

def stop_all():
    for run in [*St.vms.values(), *St.jobs.values()]:
        if not run.proc: continue
        try: os.killpg(run.proc.pid, signal.SIGKILL)       # what it left in the background too
        except ProcessLookupError: pass

if __name__ == "__main__":
    ap = argparse.ArgumentParser(); ap.add_argument("--port", type=int, default=0); ap.add_argument("--dir", default=None); ap.add_argument("--scale", type=float, default=1.0); a = ap.parse_args()
    start(a.port, a.dir, a.scale); print(json.dumps({"endpoint": St.endpoint, "control": St.control, "pid": os.getpid()}), flush=True)
    def bye(*_): stop_all(); os._exit(0)
    signal.signal(signal.SIGTERM, bye); signal.signal(signal.SIGINT, bye)
    # die with the test that started us: stdin closes when the parent goes away
    if not sys.stdin.isatty():
        try:
            while sys.stdin.buffer.read(4096): pass
        except Exception: pass
        bye()
    signal.pause()
