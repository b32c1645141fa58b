"""`make example`: rewrite spec/example, vectors/undersigned and the blocks on spec's pages."""

import json

from support import VECTORS
from support.example_cast import EXAMPLE, make_secrets, read_secrets
from support.example_pages import fill, pages
from support.example_vectors import vectors
from support.worked_example import read_envelopes, tell, write


def main() -> None:
    """Keep secrets and envelopes that are there; write the rest anew."""
    if not (EXAMPLE / "secrets.json").exists():
        text = json.dumps(make_secrets(), indent=1, ensure_ascii=False) + "\n"
        write({"secrets.json": text.encode()}, EXAMPLE)
    story = tell(read_secrets(), read_envelopes())
    write(story.files, EXAMPLE)
    write(vectors(story), VECTORS / "undersigned")
    for page in pages():
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
