"""`mitmdump -s addons/orgfence_addon.py --set orgfence_policy=FILE`, for those who want their whole toolbox."""

from orgfence.proxy.script import Script

addons = [Script()]
