"""What a step costs: agentkit beside two floors, and beside itself when a session grows.

Law: everything is measured in one run, in turns, and told as ratios, because machines differ. The service is the
emulator in a process of its own; only the client's time counts as CPU. Nothing but public names of agentkit is used.
"""
