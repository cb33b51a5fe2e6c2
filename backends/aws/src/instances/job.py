# Where SageMaker has its files.
PLATFORM = sys.argv[1]
ROOT = PLATFORM + "/pipe"


def fail(problem):
    # SageMaker shows this file as the reason of the failure.
    os.makedirs(PLATFORM + "/output", exist_ok=True)
    with open(PLATFORM + "/output/failure", "w") as file:
        file.write(problem)
    sys.exit("pipe-boot: failed: " + problem)


problem = fetch_all(ROOT + "/bin")
if problem:
    fail(problem)
os.environ.update(CONFIG["environment"])
try:
    import torch
    libraries = os.path.join(os.path.dirname(torch.__file__), "lib")
    os.environ["LD_LIBRARY_PATH"] = ":".join(filter(None, [libraries, os.environ.get("LD_LIBRARY_PATH")]))
except ImportError:
    pass
os.chdir(ROOT)
words = [word.replace("{root}", ROOT) for word in CONFIG["command"]]
# The same process goes on, so that the signals of the platform reach it.
os.execv(ROOT + "/bin/pipe-aws", ["pipe-aws", "worker", "--job", "--", ROOT + "/bin/" + words[0]] + words[1:])
