problem = fetch_all(os.path.join(sys.argv[1], "bin"))
if problem:
    sys.exit("pipe-boot: failed: " + problem)
