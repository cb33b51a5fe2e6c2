# Read by bash before the script of a command: says which line, which command and which statuses end it.
unset BASH_ENV
[[ $0 == @@NAME@@ ]] || return 0
_pipe_failed() { # status, line, file, command, status of each member of a pipe
  # Under `set +e` and in command substitutions a failure ends nothing.
  [[ $- == *e* ]] || return 0
  { set +x; } 2> /dev/null
  local IFS=' ' _pipe_text=$4 _pipe_place="line $2" _pipe_how="exit status $1" _pipe_n=0 _pipe_more= _pipe_line= \
    _pipe_level=0 _pipe_status= _pipe_inner=
  if [[ $4 == '('* && -s @@FAILED@@ ]]; then
    while IFS=$'\t' read -r _pipe_level _pipe_status _pipe_line; do
      _pipe_inner=
      (( _pipe_level > BASH_SUBSHELL )) && [[ $_pipe_status == "$1" ]] && _pipe_inner=$_pipe_line
    done < @@FAILED@@
    if [[ -n $_pipe_inner ]]; then
      # A subshell ends as the command in it did, which has been named.
      builtin printf '%s\t%s\t%s\n' "$BASH_SUBSHELL" "$1" "$_pipe_inner" 2> /dev/null >> @@FAILED@@ || :
      return 0
    fi
  fi
  if [[ $3 != "$0" ]]; then
    _pipe_place="$3: $_pipe_place"
  else
    if (( $# > 5 )); then
      # Of a pipe bash knows the last member only: the lines of the script in which all of it stands.
      while IFS= read -r _pipe_line || [[ -n $_pipe_line ]]; do
        (( (_pipe_n += 1) <= $2 )) || break
        _pipe_line=${_pipe_line#"${_pipe_line%%[![:space:]]*}"}
        _pipe_text=${_pipe_more:+$_pipe_text }$_pipe_line
        _pipe_more=
        case $_pipe_line in
          *\\) _pipe_text=${_pipe_text%\\} _pipe_text=${_pipe_text% } _pipe_more=1 ;;
          *'|' | *'|&' | *'&&') _pipe_more=1 ;;
        esac
      done < @@SCRIPT@@
    fi
    (( @@LINE@@ )) && _pipe_place=@@FILE@@:$(( @@LINE@@ + $2 - 1 )):\ $_pipe_place
  fi
  if (( $# > 5 )); then
    _pipe_how="${*:5}"
    _pipe_how="exit statuses ${_pipe_how// /, }"
  fi
  [[ $_pipe_text == *$'\n'* ]] && _pipe_text="${_pipe_text%%$'\n'*} ..."
  _pipe_text=${_pipe_text//[[:cntrl:]]/ }
  (( ${#_pipe_text} > 200 )) && _pipe_text="${_pipe_text:0:200} ..."
  _pipe_line="$_pipe_place: \`$_pipe_text\` failed: $_pipe_how"
  builtin printf '%s\n' "$_pipe_line" >&2 || :
  builtin printf '%s\t%s\t%s\n' "$BASH_SUBSHELL" "$1" "$_pipe_line" 2> /dev/null >> @@FAILED@@ || :
}
set -E
trap '_pipe_failed "$?" "$LINENO" "${BASH_SOURCE[0]-}" "$BASH_COMMAND" "${PIPESTATUS[@]}"' ERR
