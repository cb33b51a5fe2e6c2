# Completion of @PROGRAM@ for bash: every question is answered by the program itself.
_@PROGRAM@_complete() {
    # As bytes, which is how COMP_POINT counts.
    local LC_ALL=C
    # Bash also breaks words at = and :, @PROGRAM@ does not: what no space parts is one word.
    local words=() index=0 rest=$COMP_LINE at word gap start
    for at in "${!COMP_WORDS[@]}"; do
        word=${COMP_WORDS[at]}
        gap=
        if [[ -n $word ]]; then
            gap=${rest%%[![:space:]]*}
            rest=${rest#"$gap"}
        fi
        start=$((${#COMP_LINE} - ${#rest}))
        rest=${rest#"$word"}
        if [[ $at == "$COMP_CWORD" && -n $word ]]; then
            word=${word:0:COMP_POINT-start}
        fi
        if [[ $at == 0 || -n $gap || -z ${COMP_WORDS[at]} ]]; then
            words+=("$word")
        else
            words[${#words[@]} - 1]+=$word
        fi
        if [[ $at == "$COMP_CWORD" ]]; then
            index=$((${#words[@]} - 1))
        fi
    done
    for at in "${!words[@]}"; do
        word=${words[at]#[\"\']}
        words[at]=${word//\\/}
    done
    # What bash holds fixed of the word at the cursor: all up to its last break.
    local fixed=${words[index]} answer
    if [[ $fixed == *[=:]* && $COMP_WORDBREAKS == *=* ]]; then
        fixed=${fixed%"${fixed##*[=:]}"}
    else
        fixed=
    fi
    COMPREPLY=()
    while IFS= read -r answer || [[ -n $answer ]]; do
        answer=${answer#"$fixed"}
        if [[ $answer == *[[:space:]\'\"\\\&\;\|\<\>\(\)\$\`]* ]]; then
            printf -v answer %q "$answer"
        fi
        COMPREPLY+=("$answer")
    done < <(_CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$index @VARIABLE@=bash @COMPLETER@ -- "${words[@]}" 2>/dev/null)
    # What ends like this goes on.
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
if [[ ${BASH_VERSINFO[0]} -gt 4 || ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 ]]; then
    complete -o bashdefault -o nosort -F _@PROGRAM@_complete @PROGRAM@
else
    complete -o bashdefault -F _@PROGRAM@_complete @PROGRAM@
fi
