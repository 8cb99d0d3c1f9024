"""Runs the judges and says how many were content: the deployment beside all the others."""

import os
import sys
import threading
import time

import deployments
import services
import signatures
import stores
from court import Court

TIME_MAX_S = 220


def main():
    court = Court()
    begin = time.monotonic()

    def give_up():
        print(f"not done after {TIME_MAX_S} s", file=sys.stderr, flush=True)
        os._exit(2)

    alarm = threading.Timer(TIME_MAX_S, give_up)
    alarm.daemon = True
    alarm.start()

    # The service becomes steady first; then its deployment takes its time beside the others.
    court.judge(deployments.the_first_world_becomes_steady)
    rollout = threading.Thread(target=deployments.judge_all, args=(court,))
    rollout.start()
    for module in (services, stores, signatures):
        module.judge_all(court)
    rollout.join()
    # Faults would hit the deployment as well, so they come last.
    signatures.judge_faults(court)
    alarm.cancel()
    print(f"{court.passed} passed, {court.failed} failed", f"in {time.monotonic() - begin:.0f} s")
    return 1 if court.failed else 0


if __name__ == "__main__":
    sys.exit(main())
