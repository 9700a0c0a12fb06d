from __future__ import annotations

from pathlib import Path

from searchloom.demo import api_reference

SOURCE = '''
class Frame:
    """Hold rows and columns of one table in memory.

    {body}
    """

    def merge(self):
        """Join two frames on the columns that they share.

        {other}
        """

    def _hidden(self):
        """Nobody outside may see what this one does.

        {other}
        """
'''


def _package(root: Path, body: str, other: str) -> None:
    (root / "pandas" / "tests").mkdir(parents=True)
    (root / "pandas" / "frame.py").write_text(SOURCE.format(body=body, other=other))
    (root / "pandas" / "broken.py").write_text("def broken(:\n")
    (root / "pandas" / "tests" / "frame.py").write_text(SOURCE.format(body="t" * 300, other="u" * 300))


def test_public_names_become_documents_without_their_summary(tmp_path: Path):
    _package(tmp_path, "Long words. " * 30, "Other words. " * 30)
    documents = api_reference.collect(tmp_path)["pandas"]
    assert [document.title for document in documents] == ["pandas.frame.Frame", "pandas.frame.Frame.merge"]
    assert documents[1].summary == "Join two frames on the columns that they share."
    assert all(document.summary not in document.body for document in documents)


def test_the_same_text_is_taken_once(tmp_path: Path):
    _package(tmp_path, "Same words. " * 30, "Same words. " * 30)
    assert len(api_reference.collect(tmp_path)["pandas"]) == 1


def test_splits_share_no_query_and_no_document():
    corpus = {"p": [api_reference.Symbol(f"p.f{i}", f"Summary number {i} of the test", "b" * 200) for i in range(100)]}
    splits = api_reference.judged(corpus)
    titles = [symbol.title for split in splits.values() for _, symbol in split]
    assert len(titles) == len(set(titles)) == 100


def test_a_summary_of_two_documents_is_no_query():
    corpus = {"p": [api_reference.Symbol(f"p.f{i}", "The same summary for both of them", "b" * 200) for i in (1, 2)]}
    assert not any(api_reference.judged(corpus).values())
