"""From a request to the rules that match it: hosts, paths in every reading, methods; the index that finds them."""
