"""The last lines of tools/test tell what became of every case."""

import run_all

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="passes"/>
<testcase classname="a" name="fails"><failure message="no"/></testcase>
<testcase classname="a" name="needs"><skipped message="wants root"/></testcase>
<testcase classname="b" name="needs"><skipped message="wants root"/></testcase>
<testcase classname="b" name="other"><skipped/></testcase>
<testcase classname="b" name="disabled" status="notrun"/>
</testsuite></testsuites>"""


def test_each_case_is_counted(tmp_path, capsys):
    (tmp_path / "report.xml").write_text(REPORT)
    tally = run_all.Tally()
    assert tally.add_junit(tmp_path / "report.xml", "suite")
    assert tally.report() == 1
    assert capsys.readouterr().out.splitlines() == [
        "FAILED suite a.fails",
        "SKIPPED 2: wants root",
        "SKIPPED 2: no reason given",
        "4 skipped",
        "1 passed, 1 failed"]
