"""`make diagrams`: update the diagrams in the documentation."""

from tools.diagrams.pictures import PAGE, drawn

if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
