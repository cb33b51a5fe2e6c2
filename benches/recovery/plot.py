"""Draws recall and precision against noise, as SVG by hand: no library for seven lines."""

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 360, 60, 30, 190, 50
LINES = [("correlate", "chains", "recall of chains", "#1f6feb", ""), ("correlate", "sightings", "recall of sightings", "#8250df", ""),
         ("correlate", "precision", "precision", "#2da44e", ""), ("correlate", "frozen_chains", "recall, frozen chains", "#bf3989", ""),
         ("pid", "chains", "chains, by pid alone", "#1f6feb", "5 4"), ("pid", "precision", "precision, by pid alone", "#2da44e", "5 4"),
         ("pid", "frozen_chains", "frozen, by pid alone", "#bf3989", "5 4")]


def plot(results, path):
    most = max(result["noise"] for result in results)
    x = lambda noise: LEFT + noise / most * (WIDTH - LEFT - RIGHT)  # noqa: E731
    y = lambda share: TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)  # noqa: E731
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path d="M{LEFT} {y(share):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 8}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.2f}</text>')
    for result in results:
        parts.append(f'<text x="{x(result["noise"]):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{result["noise"]:.2f}</text>')
    share = lambda row, key: row[key] if key == "precision" else row[key]["recall"]  # noqa: E731
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">share of traces that a scan misses</text>')
    for place, (method, key, label, colour, dash) in enumerate(LINES):
        points = " ".join(f"{x(r['noise']):.1f},{y(share(r['methods'][method], key)):.1f}" for r in results)
        style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
        at = TOP + 10 + 20 * place
        parts.append(f'<polyline points="{points}" {style}/>')
        parts.append(f'<path d="M{WIDTH - RIGHT + 12} {at}h22" {style}/>'
                     f'<text x="{WIDTH - RIGHT + 40}" y="{at + 4}">{label}</text>')
    with open(path, "w") as file:
        file.write("\n".join([*parts, "</svg>"]) + "\n")
