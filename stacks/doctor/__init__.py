"""What is wrong with a stack: settings, account, network, machines, storage and what they serve, and what mends it.

Facts are collected first, all at once and each bounded in time (`collect`); what they mean is said by pure functions, a
file an area, which `registry` joins. Nothing is changed.
"""
