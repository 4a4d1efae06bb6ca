"""`make diagrams`: update the diagrams in the documentation."""

from tools.diagrams.pages import PAGES, drawn

if __name__ == "__main__":
    for page in PAGES:
        page.write_text(drawn(page), encoding="utf-8")
