# orphans.sh COUNT FIFO: leave COUNT orphans behind that all end when somebody opens and closes FIFO; then wait.
mkfifo "$2"
(
  i=0
  while [ "$i" -lt "$1" ]; do
    (read -r _ <"$2") &
    i=$((i + 1))
  done
)
echo "ready (pid $$)"
exec sleep 1000
