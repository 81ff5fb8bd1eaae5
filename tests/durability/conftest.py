"""The scripts that kill and damage are run by the tests here; they are no tests themselves."""

collect_ignore = ["kills.py", "damage.py", "forked.py"]
