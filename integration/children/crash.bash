# crash.bash RECORD LINES: print numbered lines, say in RECORD which run that was and when it has ended, and exit with 7.
# A stop does not cut a run short: of each that has printed anything, RECORD knows.
trap '' TERM
for ((number = 0; number < $2; number++)); do
    echo "$SUPINIT_PROGRAM $BASHPID $number of a run that crashes"
done
echo "$SUPINIT_PROGRAM $BASHPID $EPOCHREALTIME" >>"$1"
exit 7
