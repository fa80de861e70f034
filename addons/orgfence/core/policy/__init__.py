"""Load time only: from the text of policy files to a ruleset, or to all faults at once."""
